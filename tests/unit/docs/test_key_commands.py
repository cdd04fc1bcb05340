"""The commands of the operators' guide that change files of keys, with a `docker` that runs them on a folder."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.secrets import create_secrets
from shared.encryption import KeyRing
from tools.docs.generate import OPERATORS

DOCKER = """#!/bin/sh
for script; do :; done
eval "$(printf %s "$script" | sed "s#/secrets/#$SECRETS/#g")"
"""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    create_secrets(folder)
    return folder


def run_from_guide(words: str, secrets: Path, *, before: str = "", check: bool = True) -> None:
    """Run the one command of the guide that has these words."""
    (command,) = re.findall(rf"^ +(docker compose run .*{words}.*)$", OPERATORS.read_text(), re.MULTILINE)
    docker = secrets.parent / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o700)
    environment = {"PATH": f"{docker.parent}:/usr/bin:/bin", "SECRETS": str(secrets)}
    subprocess.run(["sh", "-euc", f"{before}\n{command}"], env=environment, check=check)


def read_rings(secrets: Path, name: str) -> dict[str, list[int]]:
    return {path.parent.name: sorted(KeyRing.parse(path.read_text()).keys) for path in secrets.rglob(name)}


def test_subscriptions_get_a_second_key(secrets: Path) -> None:
    run_from_guide("> kreisfunk_dead_letter_keys", secrets)
    assert read_rings(secrets, "kreisfunk_dead_letter_keys") == {"subscriptions": [1, 2]}
    assert {path.stat().st_mode & 0o777 for path in secrets.glob("subscriptions/*")} == {0o600}


def test_a_disk_without_space_leaves_the_ring_as_it_was(secrets: Path) -> None:
    before = read_rings(secrets, "kreisfunk_dead_letter_keys")
    run_from_guide("> kreisfunk_dead_letter_keys", secrets, before="trap '' XFSZ; ulimit -f 0", check=False)
    assert read_rings(secrets, "kreisfunk_dead_letter_keys") == before
    assert not re.findall(r"> \S*kreisfunk_\w+_keys'", OPERATORS.read_text())
