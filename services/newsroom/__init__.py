"""Newsroom, in which a press office writes, approves and monitors notices, and the public archive of these."""
