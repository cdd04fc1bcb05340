"""Rules of the door."""
