"""The notices API for municipal systems: a process of its own beside the webhook's, without keys."""
