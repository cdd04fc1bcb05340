"""Generators of committed files; tests fail if a file is out of date."""
