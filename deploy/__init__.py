"""Image, local stacks, configuration and releases; the version of the whole repository."""

VERSION = "0.1.0"


class LocalError(Exception):
    """An error of a local stack, with a message for the person at the terminal; it contains no secret."""
