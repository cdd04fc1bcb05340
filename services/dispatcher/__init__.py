"""Dispatcher: sends replies and broadcasts via the Graph API, once each, in time, never after "Stop", within the rate."""
