"""Logins of municipal systems at the broker."""

import secrets
from collections.abc import Sequence

from cli.management import ManagementApi, User
from cli.migrate.broker import permit_system

PASSWORD_BYTES = 24


class LoginExists(Exception):
    """Somebody may use it."""


class LoginNotOurs(Exception):
    """It has access to the management itself: no municipal system's login has."""


async def make_login(api: ManagementApi, name: str, *, replace: bool) -> str:
    """Its password, which the broker keeps as a hash only. Raises LoginExists, LoginNotOurs or DependencyAway."""
    existing = _of(await api.users(), name)
    if existing is not None:
        _require_plain(existing)
    if existing is not None and not replace:
        raise LoginExists(name)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    await api.set_login(name, password)
    await permit_system(api, name)
    return password


async def end_login(api: ManagementApi, name: str) -> bool:
    """Whether there was one. Raises LoginNotOurs or DependencyAway."""
    existing = _of(await api.users(), name)
    if existing is None:
        return False
    _require_plain(existing)
    await api.delete_login(name)
    return True


def _of(users: Sequence[User], name: str) -> User | None:
    return next((user for user in users if user.name == name), None)


def _require_plain(user: User) -> None:
    if user.tags:
        raise LoginNotOurs(user.name)
