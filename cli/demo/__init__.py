"""`kreisfunk demo`: runs the main use case on its own stack and reconciles the simulator's account with our ledger."""
