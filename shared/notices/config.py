"""Reader of the county file."""

from pathlib import Path
from typing import TypeVar

import msgspec

from shared.notices.configuration import Configuration

C = TypeVar("C", bound=Configuration)


class ConfigurationError(Exception):
    """The file cannot be read or is invalid; the text names the place."""


def read_configuration(path: Path, kind: type[C]) -> C:
    """Return the configuration in a TOML file. Raises ConfigurationError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
