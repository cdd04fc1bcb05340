"""Handlers: actions triggered by a page, an event or the clock."""
