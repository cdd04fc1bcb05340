"""Benchmarks of the dispatcher."""
