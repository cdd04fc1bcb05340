"""Reports of what is being done, for the person who waits."""

from collections.abc import Callable

Progress = Callable[[str], None]


def ignore_progress(_: str) -> None:
    pass
