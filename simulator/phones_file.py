"""Remembers the phones in a file, so that subscribers have theirs again after a restart."""

import os
from functools import partial
from pathlib import Path

import msgspec

from simulator.citizens import NOBODY, Citizens, Directory, Sharing


class PhonesFileError(Exception):
    """The file cannot be read as phones."""


def load_citizens(file: Path | None, least: int) -> Citizens:
    """Return the citizens of the file, which from then on follows every change, and at `least` so many."""
    citizens = Citizens(_read(file), partial(_write, file)) if file else Citizens()
    missing = least - len(citizens)
    if missing > 0:
        citizens.add([Sharing.PHONE] * missing)
    return citizens


def _read(file: Path) -> Directory:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Directory)
    except FileNotFoundError:
        return NOBODY
    except (OSError, msgspec.MsgspecError) as error:
        raise PhonesFileError(str(error)) from error


def _write(file: Path, citizens: Citizens) -> None:
    """Whole or not at all, also when we are killed meanwhile."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(msgspec.json.encode(citizens.directory))
    os.replace(draft, file)
