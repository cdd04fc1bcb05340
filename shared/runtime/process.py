"""Start and drain of a process: the first signal requests a stop; a second one, or the deadline, ends it at once."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

import structlog

from shared.notices.configuration import ConfigurationError
from shared.outcome import DependencyUnavailable
from shared.runtime.background import wait_until_set
from shared.runtime.logs import configure_logs
from shared.runtime.settings import EXIT_SETTINGS, ServiceSettings, read_settings

EXIT_DEADLINE = 3
RETRY_DELAY_SECONDS = 2.0
GC_THRESHOLD = 10_000

_log = structlog.get_logger()
S = TypeVar("S", bound=ServiceSettings)


class StopRequest:
    """Request to stop the process; `requested` is set by SIGTERM or SIGINT."""

    def __init__(self, drain_seconds: float) -> None:
        self.requested = asyncio.Event()
        self.drain_seconds = drain_seconds

    def request(self) -> None:
        """Request the stop and start the deadline; on a second call exit at once, without clean-up."""
        if self.requested.is_set():
            _log.warning("second_signal")
            os._exit(EXIT_DEADLINE)
        self.requested.set()
        _log.info("stop_requested", drain_seconds=self.drain_seconds)
        # A thread, since a hanging event loop cannot enforce its own deadline.
        deadline = threading.Timer(self.drain_seconds, self._give_up)
        deadline.daemon = True
        deadline.start()

    def _give_up(self) -> None:
        _log.error("drain_deadline", drain_seconds=self.drain_seconds)
        os._exit(EXIT_DEADLINE)


def run_service(name: str, settings_type: type[S], serve: Callable[[S, StopRequest], Awaitable[None]]) -> None:
    """Read the settings, and run the service until it is asked to stop."""
    settings = read_settings(settings_type)
    configure_logs(service=name, level=settings.log_level)
    run(partial(serve, settings), drain_seconds=settings.drain_seconds)


def run(main: Callable[[StopRequest], Awaitable[None]], *, drain_seconds: float) -> None:
    """Run `main` until it returns; it should return soon after `stop.requested` is set.

    If it raises DependencyUnavailable, alone or from its tasks, it is run again after RETRY_DELAY_SECONDS until a stop
    is requested. A ConfigurationError ends the process as wrong settings do. Any other exception ends it with status 1
    and a log line that names every cause.
    """
    # Exempt imported objects from garbage collection, and collect less often: a busy service creates 700 objects
    # (Python's threshold) in less than a millisecond, and traversing every request in flight costs several percent.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        with asyncio.Runner(loop_factory=_choose_loop_factory()) as runner:
            runner.run(_run_supervised(main, drain_seconds))
    except BaseExceptionGroup as group:
        _log.error("process_failed", causes=[f"{type(error).__name__}: {error}" for error in _flatten_group(group)])
        sys.exit(1)
    except ConfigurationError as error:
        sys.stderr.write(f"Settings are missing or wrong:\n  {error}\n")
        sys.exit(EXIT_SETTINGS)
    except Exception as error:
        _log.exception("process_failed", cause=type(error).__name__)
        sys.exit(1)


async def _run_supervised(main: Callable[[StopRequest], Awaitable[None]], drain_seconds: float) -> None:
    stop = StopRequest(drain_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.request)
    try:
        await _run_with_retries(main, stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    _log.info("stopped")


async def _run_with_retries(main: Callable[[StopRequest], Awaitable[None]], stop: StopRequest) -> None:
    """Run `main` again while a dependency is unavailable, so that processes may start in any order."""
    while not stop.requested.is_set():
        try:
            await main(stop)
            break
        except* DependencyUnavailable as group:
            errors = "; ".join(str(error) for error in _flatten_group(group))
            _log.warning("dependency_unavailable", error=errors, retry_in_seconds=RETRY_DELAY_SECONDS)
        await wait_until_set(stop.requested, RETRY_DELAY_SECONDS)


def _choose_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _flatten_group(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flatten_group(error)
        else:
            yield error
