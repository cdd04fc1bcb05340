"""Broker logins with the permissions that they have in an installation."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from urllib.parse import urlsplit

from shared.amqp.permissions import SERVICES, Permission
from tests.servers import Servers, build_login_url, call_broker_api

PASSWORD = "only-for-tests"


def service_login(servers: Servers, vhost: str, service: str) -> AbstractAsyncContextManager[str]:
    """Return the URL of a login with exactly the permissions of this service."""
    return open_login(servers, vhost, service, SERVICES[service])


@asynccontextmanager
async def open_login(servers: Servers, vhost: str, name: str, permission: Permission) -> AsyncIterator[str]:
    """Yield the URL of a login of this vhost, which begins with `name`."""
    path = urlsplit(vhost).path.removeprefix("/")
    login = f"{name}-{path}"
    await call_broker_api(servers, "PUT", f"users/{login}", {"password": PASSWORD, "tags": ""})
    await call_broker_api(servers, "PUT", f"permissions/{path}/{login}", asdict(permission))
    try:
        yield build_login_url(vhost, login, PASSWORD)
    finally:
        await call_broker_api(servers, "DELETE", f"users/{login}")
