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
    task, asked = asyncio.current_task(), False

    def ask_to_end(number: signal.Signals) -> None:
        nonlocal asked
        if asked or task is None:
            os._exit(128 + number)
        asked = True
        task.cancel()

    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, ask_to_end, number)
    try:
        yield
    except asyncio.CancelledError:
        if asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
