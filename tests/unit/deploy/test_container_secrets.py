"""What the servers' containers get to know of our secrets."""

import base64
import json
import stat
from pathlib import Path

from deploy.container_secrets import create
from deploy.local.rabbitmq_files import hash_password


def contents(folder: Path, *, without: str) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files if without not in str(path)}


def test_a_second_run_changes_nothing_but_the_salt(tmp_path: Path) -> None:
    assert create(tmp_path).new
    before = contents(tmp_path, without="definitions.json")
    assert create(tmp_path) == ([], [])
    assert contents(tmp_path, without="definitions.json") == before


def test_the_broker_gets_a_hash_of_its_administrators_password_only(tmp_path: Path) -> None:
    create(tmp_path)
    password = (tmp_path / "admin" / "kreisfunk_broker_password").read_text()
    text = (tmp_path / "rabbitmq" / "definitions.json").read_text()
    (user,) = json.loads(text)["users"]
    salt = base64.b64decode(user["password_hash"])[:4]
    assert user["password_hash"] == hash_password(password, salt)
    assert password not in text


def test_the_database_gets_its_owners_password(tmp_path: Path) -> None:
    create(tmp_path)
    password = (tmp_path / "admin" / "kreisfunk_database_password").read_text()
    assert (tmp_path / "postgres" / "owner_password").read_text() == password


def test_only_files_of_servers_are_readable_for_other_users(tmp_path: Path) -> None:
    create(tmp_path)
    readable = {path.parent.name for path in tmp_path.rglob("*") if path.is_file() and _is_open(path)}
    assert readable == {"grafana", "postgres", "rabbitmq"}


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH)
