"""The backup commands of the operators' guide, with a `docker` that prints something."""

import subprocess
from pathlib import Path

from tools.docs.generate import OPERATORS

FILES = ("kreisfunk.dump", "secrets.tar")


def test_what_a_backup_writes_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho kept\n")
    docker.chmod(0o700)
    commands = [line for line in OPERATORS.read_text().splitlines() if any(f"> {file}" in line for file in FILES)]
    script = "\n".join(["umask 022", *commands])
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    assert len(commands) == len(FILES)
    for file in FILES:
        assert ((tmp_path / file).read_text(), (tmp_path / file).stat().st_mode & 0o777) == ("kept\n", 0o600)
