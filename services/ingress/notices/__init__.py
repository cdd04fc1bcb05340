"""Notices API for municipal systems: a separate process beside the webhook receiver, without encryption keys."""
