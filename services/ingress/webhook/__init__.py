"""Webhook receiver: signature, parsing to events, encryption, and storage in the broker before the answer."""
