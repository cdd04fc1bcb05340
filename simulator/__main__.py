"""Entry point of `python -m simulator`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable

from simulator.settings import SettingsError, describe, load
from simulator.wiring import serve

CANNOT_LISTEN = 1
WRONG_SETTINGS = 2


def main() -> int:
    """Run until a signal arrives; return the exit status."""
    argparse.ArgumentParser(
        prog="python -m simulator",
        description="A stand-in for Meta's WhatsApp Business Platform. Nothing it does reaches WhatsApp.",
        epilog=f"settings, from the environment or from files:\n{describe()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        with asyncio.Runner(loop_factory=_choose_loop_factory()) as runner:
            runner.run(_run())
    except SettingsError as error:
        sys.stderr.write(f"The simulator cannot start:\n{error}\n")
        return WRONG_SETTINGS
    except OSError as error:
        sys.stderr.write(f"The simulator cannot listen: {error.strerror}\n")
        return CANNOT_LISTEN
    return 0


def _choose_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run() -> None:
    """Serve until the first signal, which drains; a second one ends the process at once."""
    stopping = asyncio.Event()

    def stop(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    await serve(load(), stopping)


if __name__ == "__main__":
    sys.exit(main())
