"""A folder for a system."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Not `tmp_path`, which only root may enter."""
    with tempfile.TemporaryDirectory(prefix="kreisfunk-test-") as name:
        os.chmod(name, 0o711)  # noqa: S103 (the user that PostgreSQL runs under has to pass)
        yield Path(name)
