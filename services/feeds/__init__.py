"""Polls the feeds and warnings of the county (RSS, Atom, CAP 1.2), and publishes what is new as notices."""
