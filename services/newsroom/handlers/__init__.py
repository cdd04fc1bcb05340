"""Handlers: what a page, an event or the clock sets off."""
