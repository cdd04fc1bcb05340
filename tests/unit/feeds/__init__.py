"""Feeds and warnings that become notices."""
