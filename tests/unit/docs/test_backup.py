"""The operators' guide on backups: what it deletes has been replaced first, and what it writes is kept safe."""

import re
import subprocess
from pathlib import Path

from tools.docs.generate import OPERATORS

GUIDE = OPERATORS.read_text()
DOCKER = """#!/bin/sh
cd "$(dirname "$0")/secrets" && tar -cf - *
"""


def test_saved_secrets_are_whole_and_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    docker, secret = tmp_path / "docker", tmp_path / "secrets" / "kept"
    secret.parent.mkdir()
    secret.write_text("kept")
    docker.write_text(DOCKER)
    docker.chmod(0o700)
    (command,) = re.findall(r"^ +(\(umask .*tar -cf.*)$", GUIDE, re.MULTILINE)
    script, environment = f"umask 022\n{command}", {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ended = subprocess.run(["sh", "-euc", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    (file,) = tmp_path.glob("secrets-*.tar")
    assert (ended.stdout, file.stat().st_mode & 0o777) == (b"kept\n", 0o600)


def test_a_file_is_verified_before_the_database_is_dropped_for_it() -> None:
    restore = GUIDE.partition("\n## Restore\n")[2]
    steps = re.findall(r"backup verify|drop schema", restore)
    assert steps == ["backup verify", "drop schema"]


def test_old_backups_are_deleted_only_after_a_new_one() -> None:
    assert re.findall(r"^ +(.*)find backups .* -delete$", GUIDE, re.MULTILINE) == [
        "docker compose run --rm -T backup create /backups && "
    ]
