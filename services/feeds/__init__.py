"""Feeds service: polls the county's feeds and warnings (RSS, Atom, CAP 1.2) and publishes new entries as notices."""
