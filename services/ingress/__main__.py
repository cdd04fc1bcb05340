"""Entry point of `python -m services.ingress`."""

from functools import partial

from services.ingress.settings import Settings
from services.ingress.wiring import NAME, serve
from shared.runtime.logs import configure_logs
from shared.runtime.process import run
from shared.runtime.settings import read_settings


def main() -> None:
    """Run the ingress until it is asked to stop."""
    settings = read_settings(Settings)
    configure_logs(service=NAME, level=settings.log_level)
    run(partial(serve, settings), drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    main()
