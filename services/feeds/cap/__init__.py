"""Warnings in the Common Alerting Protocol 1.2 (http://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2-os.html)."""
