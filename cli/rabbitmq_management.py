"""Client of RabbitMQ's management API: logins with their permissions, and the arguments of queues."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from cli.settings import BrokerAdminSettings
from shared.amqp.permissions import Permission, TopicPermission
from shared.amqp.topology import list_arguments
from shared.outcome import DependencyUnavailable
from shared.runtime.hosts import split_hosts

REQUEST_TIMEOUT_SECONDS = 10.0
QUEUE_ADVICE = 'RabbitMQ cannot change them in place: operators\' guide, "Queues that change".'
NOT_FOUND = 404


class User(Struct, frozen=True):
    """A login; `tags` give access to the management itself."""

    name: str
    tags: tuple[str, ...] = ()


class UserPermissions(Struct, frozen=True):
    user: str
    configure: str
    write: str
    read: str


class BrokerQueue(Struct, frozen=True):
    name: str
    arguments: dict[str, Any] = {}


@dataclass(frozen=True)
class ManagementApi:
    """Management API client; every method raises DependencyUnavailable. `vhost` is quoted for a URL."""

    session: aiohttp.ClientSession
    url: str
    vhost: str

    async def list_users(self) -> list[User]:
        return msgspec.json.decode(await self._call("GET", "users"), type=list[User])

    async def list_permissions(self) -> list[UserPermissions]:
        """Return the permissions of every login that has any in our vhost."""
        path = f"vhosts/{self.vhost}/permissions"
        return msgspec.json.decode(await self._call("GET", path), type=list[UserPermissions])

    async def list_queues(self) -> list[BrokerQueue]:
        path = f"queues/{self.vhost}?columns=name,arguments"
        return msgspec.json.decode(await self._call("GET", path), type=list[BrokerQueue])

    async def set_login(self, login: str, password: str) -> None:
        """Create the login or set its password; it gets no tag, so no access to the management."""
        await self._call("PUT", f"users/{login}", {"password": password, "tags": ""})

    async def set_permission(self, login: str, permission: Permission) -> None:
        patterns = {"configure": permission.configure, "write": permission.write, "read": permission.read}
        await self._call("PUT", f"permissions/{self.vhost}/{login}", patterns)

    async def set_key_permission(self, login: str, permission: TopicPermission) -> None:
        """Replace the routing keys that the login may use with one topic exchange."""
        patterns = {"exchange": permission.exchange, "write": permission.write, "read": permission.read}
        await self._call("PUT", f"topic-permissions/{self.vhost}/{login}", patterns)

    async def set_limit(self, login: str, name: str, value: int) -> None:
        await self._call("PUT", f"user-limits/{login}/{name}", {"value": value})

    async def revoke_permissions(self, login: str) -> None:
        """Revoke all permissions in our vhost and close the connections, which would keep permissions in use."""
        await self._call("DELETE", f"permissions/{self.vhost}/{login}")
        await self._call("DELETE", f"connections/username/{login}")

    async def delete_login(self, login: str) -> None:
        """Delete the login; the broker closes its connections, too."""
        await self._call("DELETE", f"users/{login}")

    async def _call(self, method: str, path: str, body: Any = None) -> bytes:
        url = URL(f"{self.url}/api/{path}", encoded=True)
        try:
            async with self.session.request(method, url, json=body) as response:
                if not (method == "DELETE" and response.status == NOT_FOUND):
                    response.raise_for_status()
                return await response.read()
        except aiohttp.ClientResponseError as error:
            raise DependencyUnavailable(f"RabbitMQ's management interface answers with {error.status}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DependencyUnavailable(f"RabbitMQ's management interface: {type(error).__name__}") from None


@asynccontextmanager
async def open_management(settings: BrokerAdminSettings) -> AsyncIterator[ManagementApi]:
    """Open a client with the login and for the vhost in `broker_url`."""
    url = URL(split_hosts(settings.broker_url)[0])
    password = settings.broker_password.get_secret_value()
    headers = {"Authorization": aiohttp.encode_basic_auth(url.user or "", password)}
    timeout = aiohttp.ClientTimeout(REQUEST_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        vhost = quote(url.path.removeprefix("/") or "/", safe="")
        yield ManagementApi(session, str(settings.broker_api_url).rstrip("/"), vhost)


class QueueArgumentsError(Exception):
    """Queues exist with other arguments than this version declares; the text names queues and differences."""


async def require_same_arguments(settings: BrokerAdminSettings) -> None:
    """Require that our existing queues are as declared. Raises QueueArgumentsError or DependencyUnavailable."""
    declared = list_arguments()
    async with open_management(settings) as api:
        existing = [queue for queue in await api.list_queues() if queue.name in declared]
    if differing := [queue for queue in existing if queue.arguments != declared[queue.name]]:
        raise QueueArgumentsError("; ".join(_describe(queue, declared[queue.name]) for queue in differing))


def _describe(queue: BrokerQueue, declared: dict[str, object]) -> str:
    names = sorted(name for name in {*queue.arguments, *declared} if queue.arguments.get(name) != declared.get(name))
    parts = [f"{name} is {queue.arguments.get(name)} instead of {declared.get(name)}" for name in names]
    return f"{queue.name}: {', '.join(parts)}"
