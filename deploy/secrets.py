"""All secrets of an installation: their files and their generation.

The path is `<folder>/<owner>/<file>`; a container or process gets only the folder of its own `<owner>`.
"""

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from deploy.atomic_write import lock_folder, write_secret
from deploy.tokens import add_token, generate_token
from shared.runtime.clock import system_clock

Random = Callable[[int], bytes]
LOGIN_PASSWORDS = "admin/kreisfunk_login_passwords"
APP_SECRETS = "ingress/kreisfunk_app_secrets"
TOKENS = "tokens/tokens.json"  # hashes, rewritten by `kreisfunk tokens`
NOTICES_API_TOKEN = "pressestelle/kreisfunk_notices_api_token"  # noqa: S105 (the path of its file)
# Tokens of the systems that publish over HTTP, by the system.
API_TOKENS: Mapping[str, str] = {
    "pressestelle": NOTICES_API_TOKEN,
    "redaktion": "newsroom/kreisfunk_notices_api_token",
    "feeds": "feeds/kreisfunk_notices_api_token",
}


def generate_password(random: Random) -> str:
    """Return a password that is safe in URLs without quoting."""
    return base64.urlsafe_b64encode(random(24)).decode()


def generate_key(random: Random) -> str:
    return base64.b64encode(random(32)).decode()


def generate_key_ring(random: Random) -> str:
    return f"1:{generate_key(random)}"


@dataclass(frozen=True)
class Secret:
    """One value and all files that contain it; `login` is its broker login or database role."""

    files: tuple[str, ...]
    make: Callable[[Random], str] = generate_password
    login: str | None = None


KEY_HOLDERS = ("ingress", "dispatcher", "rotation", "quarantine")
BROKER_LOGINS = ("ingress", "notices", "subscriptions", "dispatcher", "newsroom", "quarantine", "pressestelle")
DATABASE_ROLES = ("subscriptions", "dispatcher", "rotation", "monitor", "operator")
SECRETS = (
    Secret((APP_SECRETS, "simulator/simulator_app_secret")),
    Secret(("ingress/kreisfunk_verify_token", "simulator/simulator_verify_token")),
    Secret(("dispatcher/kreisfunk_graph_token", "simulator/simulator_graph_token")),
    Secret(("simulator/simulator_control_token",)),
    Secret(tuple(f"{owner}/kreisfunk_encryption_keys" for owner in KEY_HOLDERS), generate_key_ring),
    Secret(tuple(f"{owner}/kreisfunk_index_key" for owner in KEY_HOLDERS), generate_key),
    Secret(("subscriptions/kreisfunk_feedback_key",), generate_key),
    Secret(("subscriptions/kreisfunk_dead_letter_keys",), generate_key_ring),
    Secret(("newsroom/kreisfunk_newsroom_keys",), generate_key_ring),
    Secret(("admin/kreisfunk_backup_key",), generate_key),
    Secret(("admin/kreisfunk_broker_password", "systems/kreisfunk_broker_password")),
    Secret(("admin/kreisfunk_database_password",)),
    *(Secret((f"{login}/kreisfunk_broker_password",), login=login) for login in BROKER_LOGINS),
    *(Secret((f"{role}/kreisfunk_database_password",), login=f"kreisfunk_{role}") for role in DATABASE_ROLES),
    Secret(("newsroom/kreisfunk_database_password", "users/kreisfunk_database_password"), login="kreisfunk_newsroom"),
    *(Secret((file,), generate_token) for file in API_TOKENS.values()),
)
FILES = (LOGIN_PASSWORDS, *(file for secret in SECRETS for file in secret.files))


def build_missing_files(existing: Mapping[str, str], random: Random) -> dict[str, str]:
    """Return the files to write so that all exist and agree; existing ones stay unchanged.

    Only the file of login passwords may be rewritten, since a new version may add a login.
    """
    logins: dict[str, str] = json.loads(existing.get(LOGIN_PASSWORDS, "{}"))
    missing: dict[str, str] = {}
    for secret in SECRETS:
        value = _find_existing(secret, existing, logins) or secret.make(random)
        missing |= {file: value for file in secret.files if file not in existing}
        if secret.login is not None:
            logins.setdefault(secret.login, value)
    passwords = json.dumps(logins)
    return missing if existing.get(LOGIN_PASSWORDS) == passwords else {**missing, LOGIN_PASSWORDS: passwords}


def _find_existing(secret: Secret, existing: Mapping[str, str], logins: Mapping[str, str]) -> str | None:
    for file in secret.files:
        if file in existing:
            # During a rotation two secrets are accepted; Meta signs with the first.
            return existing[file].split(",")[0] if file == APP_SECRETS else existing[file]
    return logins.get(secret.login or "")


class CreatedSecrets(NamedTuple):
    """Files that were missing: those with a `new` value, and those `restored` from another file with the same value."""

    new: list[Path]
    restored: list[Path]

    def describe(self) -> str:
        """Return a summary; it reveals to those who want a new value that another file still holds the old one."""
        restored = f", {len(self.restored)} restored, as another file still holds them" if self.restored else ""
        return f"{len(self.new)} created{restored}"


def create_secrets(folder: Path) -> CreatedSecrets:
    """Write missing files and return them. Folders get mode 0700, files 0600.

    One at a time: two would each write a part of their own values, and holders of one key would differ.
    """
    admin = (folder / LOGIN_PASSWORDS).parent
    admin.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock_folder(admin):
        return _create_missing(folder)


def _create_missing(folder: Path) -> CreatedSecrets:
    existing = {file: (folder / file).read_text().strip() for file in FILES if (folder / file).exists()}
    missing = build_missing_files(existing, secrets.token_bytes)
    for subfolder in dict.fromkeys((folder, *(folder / PurePosixPath(file).parent for file in (*FILES, TOKENS)))):
        subfolder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for system, file in API_TOKENS.items():
        if file in missing:  # store the hash first: an existing token file is never created again, revoked or not
            add_token(folder / TOKENS, missing[file], identifier=system, system=system, now=system_clock())
    for file, value in missing.items():
        write_secret(folder / file, value)
    for path, mode in _list_modes(folder):
        if path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)
    restored = _list_restored(existing)
    return CreatedSecrets(
        new=[folder / file for file in missing if file not in restored],
        restored=[folder / file for file in missing if file in restored],
    )


def _list_restored(existing: Mapping[str, str]) -> set[str]:
    logins: dict[str, str] = json.loads(existing.get(LOGIN_PASSWORDS, "{}"))
    known = [secret for secret in SECRETS if _find_existing(secret, existing, logins) is not None]
    has_all_logins = all(secret in known for secret in SECRETS if secret.login)
    return {file for secret in known for file in secret.files} | ({LOGIN_PASSWORDS} if has_all_logins else set())


def _list_modes(folder: Path) -> Iterator[tuple[Path, int]]:
    yield from ((folder / file, 0o600) for file in FILES)
    yield from ((file, 0o600) for file in (folder / TOKENS).parent.iterdir())
    yield from ((folder / owner, 0o700) for owner in {PurePosixPath(file).parts[0] for file in (*FILES, TOKENS)})
    yield folder, 0o700
