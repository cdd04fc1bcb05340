"""Comparable servers; run with the interpreter of `.local/benchmark-ingress-venv`."""
