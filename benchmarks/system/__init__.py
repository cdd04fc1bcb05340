"""Benchmark of the whole system, and of a ledger with ten million rows."""
