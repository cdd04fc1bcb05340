"""Secrets of the container stack: those of our processes and those of the servers.

A server runs under its image's user id, so its files are readable for every process that mounts their volume. Only
that server does.
"""

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.atomic_write import write_secret
from deploy.secrets import CreatedSecrets, create_secrets, generate_password

ADMIN = "kreisfunk_admin"  # administers broker and database
GRAFANA = "grafana/admin_password"
POSTGRES = "postgres/owner_password"
# For clusters only: the password of a standby at the primary, and the cookie by which broker nodes trust each other.
REPLICATION, COOKIE = "postgres/replication_password", "rabbitmq/erlang_cookie"
RABBITMQ = "rabbitmq/definitions.json"
SERVER_FILES = (POSTGRES, REPLICATION, RABBITMQ, COOKIE, GRAFANA)


def build_definitions(password: str, *, salt: bytes) -> Mapping[str, object]:
    """Return the definitions imported at each start; as they contain users, the broker creates no guest."""
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": ADMIN, "password_hash": hash_password(password, salt), "tags": ["administrator"]}],
        "permissions": [{"user": ADMIN, "vhost": "/", **everything}],
    }


def hash_password(password: str, salt: bytes) -> str:
    """Return RabbitMQ's password hash: base64 of the salt and the SHA-256 of salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def build_server_files(folder: Path, salt: bytes) -> dict[str, str]:
    """Return the secret files of the servers. RabbitMQ needs only the hash of a password."""
    broker_password = _read(folder / "admin" / "kreisfunk_broker_password")
    files = {
        POSTGRES: _read(folder / "admin" / "kreisfunk_database_password"),
        RABBITMQ: json.dumps(build_definitions(broker_password, salt=salt)),
    }
    fresh = [name for name in (GRAFANA, REPLICATION, COOKIE) if not (folder / name).exists()]
    return {**files, **{name: generate_password(secrets.token_bytes) for name in fresh}}


def _read(path: Path) -> str:
    return path.read_text().strip()


def create(folder: Path) -> CreatedSecrets:
    """Write missing files and return those of our processes. Safe to run again."""
    created = create_secrets(folder)
    for name, value in build_server_files(folder, secrets.token_bytes(4)).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        write_secret(path, value, mode=0o644)
    return created


if __name__ == "__main__":
    created_here = create(Path(sys.argv[1]))
    sys.stdout.write("".join(f"restored {path}\n" for path in created_here.restored))
    sys.stdout.write(f"secrets: {created_here.describe()}; all complete\n")
