"""Processes that stand still."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def freeze(pid: int) -> Iterator[None]:
    """Suspend the process and all its descendants (SIGSTOP) until the context is left."""
    _send_signal_to_tree(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        _send_signal_to_tree(pid, signal.SIGCONT)


def _send_signal_to_tree(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has just ended
            for child in file.read_text().split():
                _send_signal_to_tree(int(child), number)
