"""Which way is taken: the one on the command line, else the one that is set up here."""

from collections.abc import Mapping
from pathlib import Path

from cli.broker import silence_drivers
from cli.output import EXIT_USAGE, fail
from cli.publish.sending import Sender
from cli.publish.settings import DoorSettings, door_address, publisher_settings
from cli.publish.ways import AmqpWay, DoorWay, Way
from cli.stacks import BROKER_URL, USUAL_FOLDERS, environment_of, find_stack
from deploy.local.errors import LocalError
from deploy.local.stack_file import StackAddresses, running_stack
from shared.runtime.settings import PREFIX, read_settings

DOOR_URL = f"{PREFIX}DOOR_URL"
DOOR_TOKEN = f"{PREFIX}DOOR_TOKEN"
COUNTY_FILE = f"{PREFIX}COUNTY_FILE"


def chosen_way(url: str | None, stack: Path | None, source: str | None, environment: Mapping[str, str]) -> Way:
    """`url`; else the broker, of `stack` or the environment; else the door of the environment.

    Ends the command with status 2 if what it needs is not set.
    """
    if url is not None:
        return _door(_with_token(_checked(url), stack, environment), source)
    if stack is None and environment.get(DOOR_URL) and not environment.get(BROKER_URL):
        return _door(_with_token(environment[DOOR_URL], None, environment), source)
    return _broker(stack, source, environment)


def _broker(folder: Path | None, source: str | None, environment: Mapping[str, str]) -> AmqpWay:
    silence_drivers()
    stack = find_stack(folder, environment)
    own = {name: value for name, value in environment.items() if name == COUNTY_FILE}
    known = {**stack.addresses.publisher, **own} if stack else environment
    settings = publisher_settings(None, known)
    return AmqpWay(sender=Sender(settings=settings, source=source or settings.source_or_usual))


def _door(environment: Mapping[str, str], source: str | None) -> DoorWay:
    with environment_of(environment):
        settings = read_settings(DoorSettings)
    return DoorWay(settings=settings, source=source or settings.source or "")


def _checked(url: str) -> str:
    try:
        return door_address(url)
    except ValueError as error:
        fail(f"--url: {error}", status=EXIT_USAGE)


def _with_token(url: str, folder: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """A local stack's token is shown to that stack's door only."""
    known = {**environment, DOOR_URL: url}
    if folder is None and (environment.get(DOOR_TOKEN) or environment.get(f"{PREFIX}SECRETS_DIR")):
        return known
    for stack in map(_stack_in, (folder,) if folder else USUAL_FOLDERS):
        if stack is not None and stack.door_url == url:
            return {**known, **stack.publisher}
    return known


def _stack_in(folder: Path) -> StackAddresses | None:
    """One of another version is none of ours: only its token is looked for here."""
    try:
        return running_stack(folder)
    except LocalError:
        return None
