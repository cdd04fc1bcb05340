"""Entry point: `python -m services.subscriptions`."""

import sys

from services.subscriptions.domain.county import County
from services.subscriptions.settings import Settings
from services.subscriptions.wiring import serve
from shared.notices.configuration import ConfigurationError, read_configuration
from shared.runtime.logs import configure_logs
from shared.runtime.process import run
from shared.runtime.settings import EXIT_SETTINGS, read_settings


def main() -> None:
    settings = read_settings(Settings)
    configure_logs(service="subscriptions", level=settings.log_level)
    try:
        county = read_configuration(settings.county_file, County)
    except ConfigurationError as error:
        sys.stderr.write(f"Settings are missing or wrong:\n  KREISFUNK_COUNTY_FILE: {error}\n")
        sys.exit(EXIT_SETTINGS)
    run(lambda stop: serve(settings, county, stop), drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    main()
