"""Adapters of the notices API: HTTP, broker, tokens file and metrics."""
