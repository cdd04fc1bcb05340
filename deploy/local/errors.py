"""What goes wrong on a person's machine, in words that say what to do."""


class LocalError(Exception):
    """The message is meant for the person at the terminal and holds no secret."""
