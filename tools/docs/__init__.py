"""Generators of parts of the documentation."""
