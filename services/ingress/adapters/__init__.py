"""Adapters of the ingress: HTTP, broker and metrics."""
