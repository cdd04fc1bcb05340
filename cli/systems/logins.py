"""Logins of municipal systems at the broker."""

import secrets
from collections.abc import Sequence

from cli.migrate.broker import grant_system_permissions
from cli.rabbitmq_management import ManagementApi, User

PASSWORD_BYTES = 24


class LoginExists(Exception):
    """A login of this name exists already."""


class NotASystemLogin(Exception):
    """The login has management tags, which no municipal system's login has."""


async def create_login(api: ManagementApi, name: str, *, replace: bool) -> str:
    """Create the login and return its password, of which the broker keeps a hash.

    An existing login gets a new password with `replace`. Raises LoginExists, NotASystemLogin or DependencyUnavailable.
    """
    existing = _find_user(await api.list_users(), name)
    if existing is not None:
        _require_no_tags(existing)
    if existing is not None and not replace:
        raise LoginExists(name)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    await api.set_login(name, password)
    await grant_system_permissions(api, name)
    return password


async def delete_login(api: ManagementApi, name: str) -> bool:
    """Delete the login; return False if there was none. Raises NotASystemLogin or DependencyUnavailable."""
    existing = _find_user(await api.list_users(), name)
    if existing is None:
        return False
    _require_no_tags(existing)
    await api.delete_login(name)
    return True


def _find_user(users: Sequence[User], name: str) -> User | None:
    return next((user for user in users if user.name == name), None)


def _require_no_tags(user: User) -> None:
    if user.tags:
        raise NotASystemLogin(user.name)
