"""How many signed webhooks a second one process takes in; `python -m benchmarks.ingress --help`."""
