"""Translation of webhooks: pure rules from bytes to events."""
