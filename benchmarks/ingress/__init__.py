"""Signed webhooks per second in one process; `python -m benchmarks.ingress --help`."""
