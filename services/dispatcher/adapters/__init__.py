"""Adapters for PostgreSQL, the Graph API and Prometheus."""
