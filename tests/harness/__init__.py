"""Helpers that start our processes and talk to them, for more than one kind of test."""
