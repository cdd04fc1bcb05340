"""What is personal, and where it is found after a run although it has no business there."""
