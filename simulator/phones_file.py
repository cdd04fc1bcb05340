"""File that stores the phones, so that subscribers still have theirs after a restart."""

import os
from functools import partial
from pathlib import Path

import msgspec

from simulator.citizens import NOBODY, Citizens, Directory, Sharing


class PhonesFileError(Exception):
    """Raised when the file cannot be read or decoded."""


def load_citizens(file: Path | None, least: int) -> Citizens:
    """Return the citizens of the file and new ones up to `least`; every later change is written to the file.

    Raises PhonesFileError.
    """
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
    """Replace the file atomically, so that it stays whole if the process is killed meanwhile."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(msgspec.json.encode(citizens.directory))
    os.replace(draft, file)
