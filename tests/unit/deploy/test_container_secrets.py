"""Secrets that the servers' containers receive."""

import base64
import json
import stat
from pathlib import Path

from deploy.container_secrets import create, hash_password


def test_a_second_run_changes_nothing_but_the_salt(tmp_path: Path) -> None:
    assert create(tmp_path).new
    before = read_contents(tmp_path)
    assert create(tmp_path) == ([], [])
    assert read_contents(tmp_path) == before


def read_contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file() and path.name != "definitions.json"}


def test_each_server_gets_its_secret_and_only_its_files_are_readable_for_other_users(tmp_path: Path) -> None:
    create(tmp_path)
    password = (tmp_path / "admin" / "kreisfunk_broker_password").read_text()
    text = (tmp_path / "rabbitmq" / "definitions.json").read_text()
    (user,) = json.loads(text)["users"]
    salt = base64.b64decode(user["password_hash"])[:4]
    assert user["password_hash"] == hash_password(password, salt)
    assert password not in text
    owner = (tmp_path / "admin" / "kreisfunk_database_password").read_text()
    assert (tmp_path / "postgres" / "owner_password").read_text() == owner
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    readable = {path.parent.name for path in files if path.stat().st_mode & stat.S_IROTH}
    assert readable == {"grafana", "postgres", "rabbitmq"}
