"""Revisions, withdrawals, follow-ups, pauses and feeds: the whole system as processes, steered while it sends."""
