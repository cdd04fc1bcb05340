"""Rules of the notices API."""
