"""Dispatcher: sends replies and broadcasts via the Graph API, once each, in time, rate-limited, never after "Stop"."""
