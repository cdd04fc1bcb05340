"""Handlers of messages: they decide, store, then publish."""
