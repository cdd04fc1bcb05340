"""Orderly shutdown of a stack on SIGINT, SIGTERM and SIGHUP."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Cancel the entering task at the first signal, which leaves the context as a KeyboardInterrupt.

    A second signal ends this process at once, and the kernel ends the children. Signals that were ignored before, as
    behind `nohup` or `&` in a script, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _Cancellation(asyncio.current_task())
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, ending.ask, number)
    try:
        yield
    except asyncio.CancelledError:
        if ending.asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class _Cancellation:
    def __init__(self, task: "asyncio.Task[object] | None") -> None:
        self._task = task
        self.asked = False

    def ask(self, number: signal.Signals) -> None:
        if self.asked or self._task is None:
            os._exit(128 + number)
        self.asked = True
        self._task.cancel()
