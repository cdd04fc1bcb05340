"""Revisions, withdrawals, follow-ups, pauses: the whole system as processes, steered while it sends."""
