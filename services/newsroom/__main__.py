"""Entry point: `python -m services.newsroom`."""

import sys
from functools import partial

from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.settings import Settings
from services.newsroom.wiring import NAME, serve
from shared.notices.configuration import ConfigurationError, read_configuration
from shared.runtime.logs import configure_logs
from shared.runtime.process import run
from shared.runtime.settings import EXIT_SETTINGS, read_settings


def main() -> None:
    """Run the newsroom until it is asked to stop."""
    settings = read_settings(Settings)
    configure_logs(service=NAME, level=settings.log_level)
    try:
        configuration = read_configuration(settings.county_file, NewsroomCounty)
    except ConfigurationError as error:
        sys.stderr.write(f"Settings are missing or wrong:\n  KREISFUNK_COUNTY_FILE: {error}\n")
        sys.exit(EXIT_SETTINGS)
    run(partial(serve, settings, configuration), drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    main()
