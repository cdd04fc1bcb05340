"""Benchmarks: Kreisfunk, the theoretical limit and comparable tools, measured in the same run."""
