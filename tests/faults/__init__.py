"""The fault bench: the real system under a seeded plan of faults, and both sides' books compared afterwards."""
