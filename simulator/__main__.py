"""Entry point of `python -m simulator`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator import settings
from simulator.citizens import PhonesFileError
from simulator.graph.templates import TemplateFileError
from simulator.wiring import serve

CANNOT_LISTEN = 1
WRONG_SETTINGS = 2
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Run until a signal arrives; return the exit status."""
    _build_parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        chosen = settings.load()
        with asyncio.Runner(loop_factory=_choose_loop_factory()) as runner:
            runner.run(_run(chosen))
    except settings.SettingsError as error:
        return _refuse(str(error))
    except TemplateFileError as error:
        return _refuse(f"SIMULATOR_TEMPLATES_FILE: {error}")
    except PhonesFileError as error:
        return _refuse(f"SIMULATOR_PHONES_FILE: {error}")
    except OSError as error:
        sys.stderr.write(f"The simulator cannot listen: {error.strerror}\n")
        return CANNOT_LISTEN
    return 0


async def _run(chosen: settings.Settings) -> None:
    with catch_stop_signals() as stopping:
        await serve(chosen, stopping)


def _refuse(problems: str) -> int:
    sys.stderr.write(f"The simulator cannot start:\n{problems}\n")
    return WRONG_SETTINGS


def _build_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="python -m simulator",
        description="A stand-in for Meta's WhatsApp Business Platform. Nothing it does reaches WhatsApp.",
        epilog=f"settings, from the environment or from files:\n{settings.describe()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _choose_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def catch_stop_signals() -> Iterator[asyncio.Event]:
    """Yield an event that the first signal sets; remove the handlers afterwards."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopping
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


if __name__ == "__main__":
    sys.exit(main())
