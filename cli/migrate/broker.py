"""The topology over AMQP, logins and permissions over RabbitMQ's management interface."""

from urllib.parse import quote

import aiohttp
from yarl import URL

from cli.migrate.settings import Settings
from shared.amqp.connection import connect
from shared.amqp.logins import PERMISSIONS, Permission
from shared.amqp.topology import QUEUES, declare
from shared.outcome import DependencyAway


async def migrate_broker(settings: Settings) -> list[str]:
    """What was done, a line each. Raises DependencyAway."""
    password = settings.broker_password.get_secret_value()
    async with connect(settings.broker_url, password=password, name="migrate") as connection:
        await declare(await connection.channel())
    lines = [f"{len(QUEUES)} queues with their dead-letter queues"]
    url = URL(settings.broker_url)
    auth = aiohttp.encode_basic_auth(url.user or "", password)
    async with aiohttp.ClientSession(headers={"Authorization": auth}, timeout=aiohttp.ClientTimeout(10)) as session:
        api = ManagementApi(session, str(settings.broker_api_url).rstrip("/"), _vhost(url))
        for login, permission in PERMISSIONS.items():
            if login in settings.login_passwords:
                await api.set_login(login, settings.login_passwords[login].get_secret_value())
                await api.set_permission(login, permission)
                lines.append(f"login {login}: can log in")
    return lines


def _vhost(url: URL) -> str:
    return url.path.removeprefix("/") or "/"


class ManagementApi:
    """The few calls of RabbitMQ's management interface that we need."""

    def __init__(self, session: aiohttp.ClientSession, url: str, vhost: str) -> None:
        self._session = session
        self._url = url
        self._vhost = quote(vhost, safe="")

    async def set_login(self, login: str, password: str) -> None:
        """Create the login or set its password; it gets no tag, so no access to the management."""
        await self._put(f"users/{login}", {"password": password, "tags": ""})

    async def set_permission(self, login: str, permission: Permission) -> None:
        """Replace what the login may do in our vhost."""
        patterns = {"configure": permission.configure, "write": permission.write, "read": permission.read}
        await self._put(f"permissions/{self._vhost}/{login}", patterns)

    async def _put(self, path: str, body: dict[str, str]) -> None:
        try:
            async with self._session.put(URL(f"{self._url}/api/{path}", encoded=True), json=body) as response:
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DependencyAway(f"RabbitMQ's management interface: {type(error).__name__}") from None
