"""Setup of the commands: read the files, check them against each other, and end the command if they do not fit."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic_settings import BaseSettings

from cli.options import COUNTY
from cli.output import Exit, fail, note
from cli.settings import NOTICES_API_URL
from cli.stacks import find_stack, read_settings_from
from services.feeds.configuration import FeedsFile, read_files
from services.feeds.folder import StateFolder
from services.feeds.settings import FolderSettings, RuleSettings, Settings
from services.feeds.wiring import FeedComponents, build_components
from shared.notices.configuration import Configuration, ConfigurationError
from shared.runtime.logs import configure_logs
from shared.runtime.settings import PREFIX

FeedsRules = Annotated[Path | None, typer.Option("--file", help="Feeds and rules in TOML; else KREISFUNK_FEEDS_FILE.")]
FeedsFolder = Annotated[Path | None, typer.Option("--folder", help="State and drafts; else KREISFUNK_FEEDS_FOLDER.")]
S = TypeVar("S", bound=BaseSettings)
# The service looks below its working directory, but a command may be called anywhere.
DEFAULTS = {f"{PREFIX}COUNTY_FILE": str(COUNTY)}


def open_settings(stack: Path | None, file: Path | None, folder: Path | None) -> Settings:
    """Read the settings, with the addresses of a local stack if there is one; the command line takes precedence."""
    local = find_stack(stack, os.environ, NOTICES_API_URL)
    return _read(Settings, file, folder, local.feeds if local else {})


def _read(
    settings_type: type[S], file: Path | None, folder: Path | None, stack: Mapping[str, str] = MappingProxyType({})
) -> S:
    options = {f"{PREFIX}FEEDS_FILE": file, f"{PREFIX}FEEDS_FOLDER": folder}
    overrides = {name: str(path) for name, path in options.items() if path is not None}
    try:
        return read_settings_from({**DEFAULTS, **os.environ, **stack, **overrides}, settings_type)
    except SystemExit:
        flags = (f"--{name}" for name in ("file", "folder") if f"feeds_{name}" in settings_type.model_fields)
        note(f"Or give {' and '.join(flags)}.")
        raise


def open_parts(stack: Path | None, file: Path | None, folder: Path | None) -> FeedComponents:
    """Build the components; end the command with status 2 if the files do not fit together."""
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level="error")
    try:
        return build_components(settings)
    except ConfigurationError as error:
        _fail_for_files(error)


def open_rules(file: Path | None) -> tuple[FeedsFile, Configuration]:
    """Read feeds and county file; end the command with status 2 if they do not fit together."""
    settings = _read(RuleSettings, file, None)
    try:
        return read_files(settings.feeds_file, settings.county_file)
    except ConfigurationError as error:
        _fail_for_files(error)


def open_folder(folder: Path | None) -> StateFolder:
    """Open the state folder; end the command with status 2 if there is none."""
    path = _read(FolderSettings, None, folder).feeds_folder
    if not path.is_dir():
        advice = "Name the feeds' state folder; `kreisfunk feeds once` creates it."
        fail(f"There is no folder {path}.", advice, Exit.USAGE)
    return StateFolder(path)


def _fail_for_files(error: ConfigurationError) -> NoReturn:
    fail(str(error), "feeds.toml and county.toml in deploy/config show what may be in them.", Exit.USAGE)
