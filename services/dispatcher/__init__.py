"""Sends replies and broadcasts through the Graph API: once each, in time, never after "Stop", never too fast."""
