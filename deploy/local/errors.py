"""Errors of a local stack, with messages that say what to do."""


class LocalError(Exception):
    """An error whose message is meant for the person at the terminal and holds no secret."""
