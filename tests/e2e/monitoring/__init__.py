"""Dashboards, alerts and runbooks on a real Prometheus that watches the whole system."""
