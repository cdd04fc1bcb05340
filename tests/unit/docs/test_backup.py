"""The command of the operators' guide that saves the secrets, with a `docker` that prints something."""

import subprocess
from pathlib import Path

from tools.docs.generate import OPERATORS

FILE = "secrets.tar"


def test_saved_secrets_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho kept\n")
    docker.chmod(0o700)
    (command,) = [line for line in OPERATORS.read_text().splitlines() if f"> {FILE}" in line]
    script = f"umask 022\n{command}"
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    assert ((tmp_path / FILE).read_text(), (tmp_path / FILE).stat().st_mode & 0o777) == ("kept\n", 0o600)
