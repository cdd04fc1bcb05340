"""RabbitMQ's management interface, as far as logins and their rights go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct
from pydantic import SecretStr
from yarl import URL

from shared.amqp.permissions import Permission, TopicPermission
from shared.outcome import DependencyUnavailable

REQUEST_TIMEOUT_SECONDS = 10.0
NOT_FOUND = 404


class User(Struct, frozen=True):
    """Somebody who may log in; `tags` give access to the management itself."""

    name: str
    tags: tuple[str, ...] = ()


class UserPermissions(Struct, frozen=True):
    """What somebody may do in our vhost."""

    user: str
    configure: str
    write: str
    read: str


class ManagementApi:
    """The few calls that we need. Each raises DependencyUnavailable."""

    def __init__(self, session: aiohttp.ClientSession, url: str, vhost: str) -> None:
        self._session = session
        self._url = url
        self._vhost = quote(vhost, safe="")

    async def list_users(self) -> list[User]:
        return msgspec.json.decode(await self._call("GET", "users"), type=list[User])

    async def list_permissions(self) -> list[UserPermissions]:
        """Of everybody who has any in our vhost."""
        return msgspec.json.decode(
            await self._call("GET", f"vhosts/{self._vhost}/permissions"), type=list[UserPermissions]
        )

    async def set_login(self, login: str, password: str) -> None:
        """Create the login or set its password; it gets no tag, so no access to the management."""
        await self._call("PUT", f"users/{login}", {"password": password, "tags": ""})

    async def set_permission(self, login: str, permission: Permission) -> None:
        """Replace what the login may do in our vhost."""
        patterns = {"configure": permission.configure, "write": permission.write, "read": permission.read}
        await self._call("PUT", f"permissions/{self._vhost}/{login}", patterns)

    async def set_key_permission(self, login: str, permission: TopicPermission) -> None:
        """Replace the keys with which the login may use one topic exchange."""
        patterns = {"exchange": permission.exchange, "write": permission.write, "read": permission.read}
        await self._call("PUT", f"topic-permissions/{self._vhost}/{login}", patterns)

    async def set_limit(self, login: str, name: str, value: int) -> None:
        """Bound what the login may have at the same time, such as `max-connections`."""
        await self._call("PUT", f"user-limits/{login}/{name}", {"value": value})

    async def revoke_permissions(self, login: str) -> None:
        """Let it do nothing in our vhost any more; a connection would keep the rights that it has used."""
        await self._call("DELETE", f"permissions/{self._vhost}/{login}")
        await self._call("DELETE", f"connections/username/{login}")

    async def delete_login(self, login: str) -> None:
        """The broker closes its connections, too."""
        await self._call("DELETE", f"users/{login}")

    async def _call(self, method: str, path: str, body: Any = None) -> bytes:
        url = URL(f"{self._url}/api/{path}", encoded=True)
        try:
            async with self._session.request(method, url, json=body) as response:
                if not (method == "DELETE" and response.status == NOT_FOUND):
                    response.raise_for_status()
                return await response.read()
        except aiohttp.ClientResponseError as error:
            raise DependencyUnavailable(f"RabbitMQ's management interface answers with {error.status}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DependencyUnavailable(f"RabbitMQ's management interface: {type(error).__name__}") from None


@asynccontextmanager
async def open_management(api_url: str, broker_url: str, password: SecretStr) -> AsyncIterator[ManagementApi]:
    """With the login and for the vhost in `build_broker_url`."""
    url = URL(broker_url)
    headers = {"Authorization": aiohttp.encode_basic_auth(url.user or "", password.get_secret_value())}
    async with aiohttp.ClientSession(
        headers=headers, timeout=aiohttp.ClientTimeout(REQUEST_TIMEOUT_SECONDS)
    ) as session:
        yield ManagementApi(session, api_url.rstrip("/"), url.path.removeprefix("/") or "/")
