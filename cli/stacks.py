"""Choice of the installation that a command uses: the environment's, or a running local stack."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings

from cli.output import Exit, fail
from deploy import LocalError
from deploy.paths import ROOT
from deploy.stack_file import StackAddresses, find_running_stack
from shared.runtime.settings import PREFIX, read_settings

BROKER_URL = f"{PREFIX}BROKER_URL"
DATABASE_URL = f"{PREFIX}DATABASE_URL"
S = TypeVar("S", bound=BaseSettings)
DEFAULT_FOLDERS = tuple(ROOT / ".local" / name for name in ("up", "demo"))


def find_stack(folder: Path | None, environment: Mapping[str, str], setting: str = BROKER_URL) -> StackAddresses | None:
    """Return the stack in `folder`, else a default one; None if `setting` in the environment names an installation.

    Ends the command if no stack runs.
    """
    if folder is None and environment.get(setting):
        return None
    candidates = (folder,) if folder else DEFAULT_FOLDERS
    try:
        stack = next(filter(None, map(find_running_stack, candidates)), None)
    except LocalError as error:
        fail(str(error), status=Exit.USAGE)
    if stack is None:
        problem = f"No stack runs in {folder}" if folder else f"No stack runs here, and {setting} is not set"
        fail(f"{problem}.", "Start one with `make up`, or set the variables of your installation.", Exit.USAGE)
    return stack


@contextmanager
def use_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Replace the process's environment inside the context, so that settings come from `environment` only."""
    original, replacement = dict(os.environ), dict(environment)
    try:
        _replace(replacement)
        yield
    finally:
        _replace(original)


def read_settings_from(environment: Mapping[str, str], settings_type: type[S]) -> S:
    """Read the settings in `environment`; ends the command with status 2 if any are missing or wrong."""
    with use_environment(environment):
        return read_settings(settings_type)


def _replace(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
