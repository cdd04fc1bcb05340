"""Notices over HTTP in the whole system."""
