"""The whole system, as people run it."""
