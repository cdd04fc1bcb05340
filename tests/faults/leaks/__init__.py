"""Search for personal data in places where it must not be after a run."""
