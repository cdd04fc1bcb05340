"""The fault bench: runs the real system under a seeded plan of faults, then reconciles ledger and simulator log."""
