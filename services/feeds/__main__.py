"""Entry point of `python -m services.feeds`: polls until SIGTERM."""

import sys
from functools import partial

from services.feeds.folder import FolderInUse
from services.feeds.service import serve
from services.feeds.settings import Settings
from services.feeds.wiring import build_components
from shared.notices.configuration import ConfigurationError
from shared.runtime.logs import configure_logs
from shared.runtime.process import run
from shared.runtime.settings import EXIT_SETTINGS, read_settings


def run_service(settings: Settings) -> None:
    """Serve until a signal; exit with status 2 if the files are inconsistent, or another process uses the folder."""
    configure_logs(service="feeds", level=settings.log_level)
    try:
        components = build_components(settings)
        with components.folder.lock():
            run(partial(serve, settings, components), drain_seconds=settings.drain_seconds)
    except (ConfigurationError, FolderInUse) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_SETTINGS)


if __name__ == "__main__":
    run_service(read_settings(Settings))
