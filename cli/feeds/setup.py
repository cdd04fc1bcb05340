"""Setup of the commands: reads the files, checks them against each other, and ends the command if they do not fit."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cli.broker import suppress_driver_logs
from cli.feeds.configuration import FeedsFile, FeedsFileError, find_contradictions, read_feeds_file
from cli.feeds.settings import FolderSettings, RuleSettings, Settings
from cli.feeds.state_folder import StateFolder
from cli.output import EXIT_USAGE, fail
from cli.stacks import find_stack, use_environment
from shared.notices.config import ConfigurationError, read_configuration
from shared.notices.configuration import Configuration
from shared.runtime.settings import PREFIX, read_settings

if TYPE_CHECKING:
    from cli.feeds.wiring import FeedComponents

CONNECTION_NAME = "feeds"


def open_settings(stack: Path | None, file: Path | None, folder: Path | None) -> Settings:
    """Read the settings, with the addresses of a local stack if there is one; the command line takes precedence."""
    suppress_driver_logs()
    environment = dict(os.environ)
    found = find_stack(stack, environment)
    if found is not None:
        environment |= found.addresses.feeds
    given = {"FEEDS_FILE": file, "FEEDS_FOLDER": folder}
    environment |= {PREFIX + name: str(path) for name, path in given.items() if path is not None}
    with use_environment(environment):
        return read_settings(Settings)


def open_parts(settings: Settings) -> "FeedComponents":
    """Build the components; end the command with status 2 if the files do not fit together."""
    # Here, since whoever does not publish needs neither a broker nor the web.
    from cli.feeds.answers import build_answers_opener
    from cli.feeds.wiring import FeedComponents

    file, county = _load_files(settings.feeds_file, settings.county)
    return FeedComponents(
        file=file,
        base=settings.feeds_file.parent,
        county=county,
        folder=StateFolder(settings.feeds_folder),
        open_publisher=settings.build_opener(CONNECTION_NAME),
        open_answers=build_answers_opener(settings.broker_url, password=settings.broker_secret, name=CONNECTION_NAME),
    )


def open_rules(file: Path | None) -> tuple[FeedsFile, Configuration]:
    """Read feeds and county file without a broker; end the command with status 2 if they do not fit together."""
    given = {} if file is None else {f"{PREFIX}FEEDS_FILE": str(file)}
    with use_environment({**os.environ, **given}):
        settings = read_settings(RuleSettings)
    return _load_files(settings.feeds_file, settings.county)


def open_folder(folder: Path | None) -> StateFolder:
    """Open the state folder without a broker."""
    given = {} if folder is None else {f"{PREFIX}FEEDS_FOLDER": str(folder)}
    with use_environment({**os.environ, **given}):
        return StateFolder(read_settings(FolderSettings).feeds_folder)


def _load_files(feeds_file: Path, county_file: Path) -> tuple[FeedsFile, Configuration]:
    file, county = _load_feeds_file(feeds_file), _load_county(county_file)
    wrong = find_contradictions(file, county)
    if wrong:
        fail(f"{feeds_file} does not fit {county_file}:", "\n".join(wrong), EXIT_USAGE)
    return file, county


def _load_feeds_file(path: Path) -> FeedsFile:
    try:
        return read_feeds_file(path)
    except FeedsFileError as error:
        fail(str(error), "deploy/config/feeds.toml shows what may be in it.", EXIT_USAGE)


def _load_county(path: Path) -> Configuration:
    try:
        return read_configuration(path, Configuration)
    except ConfigurationError as error:
        fail(str(error), status=EXIT_USAGE)
