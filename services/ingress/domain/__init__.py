"""What a webhook means: pure rules from its bytes to events."""
