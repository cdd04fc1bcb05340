"""The county's file."""

from pathlib import Path

import msgspec

from services.subscriptions.domain.county import County


class CountyFileError(Exception):
    """The file cannot be read or does not describe a county; the text names the place."""


def read_county(path: Path) -> County:
    """The county of a TOML file. Raises CountyFileError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=County)
    except (OSError, msgspec.DecodeError) as error:
        raise CountyFileError(f"{path}: {error}") from None
