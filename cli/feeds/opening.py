"""From the command line to the parts: files are read and held against one another, or the command ends."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cli.broker import silence_drivers
from cli.feeds.configuration import FeedsFile, FeedsFileError, contradictions, read_feeds_file
from cli.feeds.folder import Folder
from cli.feeds.settings import FolderSettings, RuleSettings, Settings
from cli.output import EXIT_USAGE, fail
from cli.stacks import environment_of, find_stack
from shared.municipal.configuration import Configuration
from shared.municipal.file import ConfigurationFileError, read_configuration
from shared.runtime.settings import PREFIX, read_settings

if TYPE_CHECKING:
    from cli.feeds.wiring import Parts

CONNECTION = "feeds"


def open_settings(stack: Path | None, file: Path | None, folder: Path | None) -> Settings:
    """Of a local stack if there is one; what the command line says goes before the environment."""
    silence_drivers()
    environment = dict(os.environ)
    found = find_stack(stack, environment)
    if found is not None:
        environment |= found.addresses.feeds
    given = {"FEEDS_FILE": file, "FEEDS_FOLDER": folder}
    environment |= {PREFIX + name: str(path) for name, path in given.items() if path is not None}
    with environment_of(environment):
        return read_settings(Settings)


def open_parts(settings: Settings) -> "Parts":
    """Ends the command with status 2 if the files do not fit together."""
    # Here, since whoever does not publish needs neither a broker nor the web.
    from cli.feeds.answers import answers_at
    from cli.feeds.wiring import Parts

    file, county = _fitting(settings.feeds_file, settings.county)
    return Parts(
        file=file,
        base=settings.feeds_file.parent,
        county=county,
        folder=Folder(settings.feeds_folder),
        open_door=settings.door(CONNECTION),
        open_answers=answers_at(settings.broker_url, password=settings.broker_secret, name=CONNECTION),
    )


def open_rules(file: Path | None) -> tuple[FeedsFile, Configuration]:
    """What is read by which rules; no broker is needed. Ends the command with status 2 if the files do not fit."""
    given = {} if file is None else {f"{PREFIX}FEEDS_FILE": str(file)}
    with environment_of({**os.environ, **given}):
        settings = read_settings(RuleSettings)
    return _fitting(settings.feeds_file, settings.county)


def open_folder(folder: Path | None) -> Folder:
    """Drafts, and what was refused; no broker is needed."""
    given = {} if folder is None else {f"{PREFIX}FEEDS_FOLDER": str(folder)}
    with environment_of({**os.environ, **given}):
        return Folder(read_settings(FolderSettings).feeds_folder)


def _fitting(feeds_file: Path, county_file: Path) -> tuple[FeedsFile, Configuration]:
    file, county = _file(feeds_file), _county(county_file)
    wrong = contradictions(file, county)
    if wrong:
        fail(f"{feeds_file} does not fit {county_file}:", "\n".join(wrong), EXIT_USAGE)
    return file, county


def _file(path: Path) -> FeedsFile:
    try:
        return read_feeds_file(path)
    except FeedsFileError as error:
        fail(str(error), "deploy/config/feeds.toml shows what may be in it.", EXIT_USAGE)


def _county(path: Path) -> Configuration:
    try:
        return read_configuration(path, Configuration)
    except ConfigurationFileError as error:
        fail(str(error), status=EXIT_USAGE)
