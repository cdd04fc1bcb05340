"""Entry point of `python -m services.dispatcher`: one replica, until SIGTERM."""

from services.dispatcher.settings import Settings
from services.dispatcher.wiring import serve
from shared.runtime.logs import configure_logs
from shared.runtime.process import run
from shared.runtime.settings import read_settings


def main() -> None:
    """Read the settings and serve."""
    settings = read_settings(Settings)
    configure_logs(service="dispatcher", level=settings.log_level)
    run(lambda stop: serve(settings, stop), drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    main()
