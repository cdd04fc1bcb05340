"""A login at the broker that may do what a service may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from shared.amqp.permissions import SERVICES
from tests.servers import Servers, build_login_url, call_broker_api

PASSWORD = "only-for-tests"


@asynccontextmanager
async def service_login(servers: Servers, vhost: str, service: str) -> AsyncIterator[str]:
    """The URL of a login that may do what this service may, and no more."""
    path = urlsplit(vhost).path.removeprefix("/")
    login = f"{service}-{path}"
    may = SERVICES[service]
    await call_broker_api(servers, "PUT", f"users/{login}", {"password": PASSWORD, "tags": ""})
    await call_broker_api(
        servers,
        "PUT",
        f"permissions/{path}/{login}",
        {"configure": may.configure, "write": may.write, "read": may.read},
    )
    try:
        yield build_login_url(vhost, login, PASSWORD)
    finally:
        await call_broker_api(servers, "DELETE", f"users/{login}")
