"""Notices API for municipal systems: a separate process from the webhook receiver, without encryption keys."""
