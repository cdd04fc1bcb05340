"""The fault bench: the real system under a seeded plan of faults, and reconciliation of both sides' records."""
