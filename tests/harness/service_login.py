"""A broker login with the permissions of a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from shared.amqp.permissions import SERVICES
from tests.servers import Servers, build_login_url, call_broker_api

PASSWORD = "only-for-tests"


@asynccontextmanager
async def service_login(servers: Servers, vhost: str, service: str) -> AsyncIterator[str]:
    """Yield the URL of a login with exactly the permissions of this service."""
    path = urlsplit(vhost).path.removeprefix("/")
    login = f"{service}-{path}"
    permission = SERVICES[service]
    await call_broker_api(servers, "PUT", f"users/{login}", {"password": PASSWORD, "tags": ""})
    await call_broker_api(
        servers,
        "PUT",
        f"permissions/{path}/{login}",
        {"configure": permission.configure, "write": permission.write, "read": permission.read},
    )
    try:
        yield build_login_url(vhost, login, PASSWORD)
    finally:
        await call_broker_api(servers, "DELETE", f"users/{login}")
