"""A real PostgreSQL and a real RabbitMQ for a test session: existing ones, containers, or our own."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import aio_pika
import aiohttp
import asyncpg

from deploy.local.postgres import run_postgres
from deploy.local.process import enter_both, is_port_open
from deploy.local.rabbitmq import run_rabbitmq
from shared.amqp import topology
from tests.contract_recorder.tracing import trace_from_the_start

# How long a test waits for a condition on a busy machine; not a limit that we promise.
WAIT_TIMEOUT_SECONDS = 60.0
MIN_POLL_INTERVAL_SECONDS, MAX_POLL_INTERVAL_SECONDS = 0.01, 0.2
# Tests kill processes, not machines, and the data may be in memory.
NO_POWER_FAILURES = (
    "alter system set fsync = off",
    "alter system set full_page_writes = off",
    "alter system set max_wal_size = '256MB'",
    "select pg_reload_conf()",
)
T = TypeVar("T")
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The superuser's and the administrator's URLs; passwords stay out of a failing test's output.

    A test that stops the broker runs one of its own.
    """

    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    broker_api_url: str = field(repr=False)


@asynccontextmanager
async def run_servers(environment: Mapping[str, str]) -> AsyncIterator[Servers]:
    """Run servers chosen by KREISFUNK_TEST_DATABASE_URL and its companions, else by KREISFUNK_TEST_SERVERS."""
    if environment.get("KREISFUNK_TEST_DATABASE_URL"):
        yield Servers(
            database_url=environment["KREISFUNK_TEST_DATABASE_URL"],
            broker_url=environment["KREISFUNK_TEST_BROKER_URL"],
            broker_api_url=environment["KREISFUNK_TEST_BROKER_API_URL"],
        )
    elif environment.get("KREISFUNK_TEST_SERVERS") == "containers":
        from tests.containers import run_container_servers

        async with run_container_servers() as servers:
            yield servers
    else:
        async with run_own_servers() as servers:
            yield servers


@asynccontextmanager
async def run_own_servers() -> AsyncIterator[Servers]:
    """Run servers in their own folder, so that several sessions can run at once."""
    with make_folder() as folder:
        trace_from_the_start(folder / "rabbitmq")
        async with AsyncExitStack() as stack:
            postgres, rabbitmq = await enter_both(
                stack,
                run_postgres(folder / "postgres", secrets.token_hex(16)),
                run_rabbitmq(folder / "rabbitmq", secrets.token_hex(16), _print_step),
            )
            servers = Servers(
                database_url=postgres.url,
                broker_url=rabbitmq.url,
                broker_api_url=rabbitmq.api_url,
            )
            await run_as_superuser(servers, *NO_POWER_FAILURES)
            yield servers


@contextmanager
def make_folder() -> Iterator[Path]:
    """Make a folder for servers, which nobody else may enter; unlike `tmp_path`, its name is short."""
    with tempfile.TemporaryDirectory(prefix="kreisfunk-test-") as name:
        yield Path(name)


def _print_step(step: str) -> None:
    os.write(2, f"tests: {step}\n".encode())  # bypasses pytest's capture, as this may take a minute


def build_database_url(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def build_login_url(url: str, login: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{login}:{quote(password)}@{parts.hostname}:{parts.port}"))


@asynccontextmanager
async def connect_to_database(url: str, **options: Any) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database until the context is left."""
    connection = await asyncpg.connect(url, **options)
    try:
        yield connection
    finally:
        await connection.close()


async def run_as_superuser(servers: Servers, *statements: str) -> None:
    async with connect_to_database(servers.database_url) as connection:
        for statement in statements:
            await connection.execute(statement)


def build_authorization(url: str) -> Mapping[str, str]:
    """Return the login in a URL as an HTTP header."""
    parts = urlsplit(url)
    return {"Authorization": aiohttp.encode_basic_auth(parts.username or "", unquote(parts.password or ""))}


async def call_broker_api(servers: Servers, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
    """Send a request to RabbitMQ's management API as the administrator."""
    await send_broker_request(servers.broker_url, servers.broker_api_url, method, path, body)


async def send_broker_request(
    url: str, api_url: str, method: str, path: str, body: Mapping[str, object] | None = None
) -> None:
    """Send a request to the management API with the login in `url`."""
    async with (
        aiohttp.ClientSession(headers=build_authorization(url), raise_for_status=True) as session,
        session.request(method, f"{api_url}/api/{path}", json=body),
    ):
        pass


@asynccontextmanager
async def create_vhost(servers: Servers, name: str) -> AsyncIterator[str]:
    """Create a vhost and delete it at the end, as the idle queues of all tests together would keep a broker busy.

    Not for a broker that restarts: deleting quorum queues afterwards can break its dead-lettering permanently
    (https://github.com/rabbitmq/rabbitmq-server/issues/16652).
    """
    login = urlsplit(servers.broker_url).username
    await call_broker_api(servers, "PUT", f"vhosts/{name}")
    await call_broker_api(servers, "PUT", f"permissions/{name}/{login}", EVERYTHING)
    try:
        yield build_database_url(servers.broker_url, name)
    finally:
        await call_broker_api(servers, "DELETE", f"vhosts/{name}")


async def declare_topology(vhost: str) -> None:
    async with await aio_pika.connect(vhost) as connection:
        await topology.declare(await connection.channel())


async def is_broker_ready(servers: Servers) -> bool:
    parts = urlsplit(servers.broker_url)
    try:
        await call_broker_api(servers, "GET", "whoami")
    except aiohttp.ClientError:
        return False
    return await is_port_open(parts.hostname or "", parts.port or 0)


async def wait_for(condition: Callable[[], Awaitable[object] | bool], seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
    """Poll the condition, less and less often, until it holds; a TimeoutError fails the test."""
    pause = MIN_POLL_INTERVAL_SECONDS
    async with asyncio.timeout(seconds):
        while not (await holds if isawaitable(holds := condition()) else holds):
            await asyncio.sleep(pause)
            pause = min(MAX_POLL_INTERVAL_SECONDS, 1.1 * pause)


async def fetch_until(
    fetch: Callable[[], Awaitable[T]], holds: Callable[[T], object], seconds: float = WAIT_TIMEOUT_SECONDS
) -> T:
    """Return what is fetched, once `holds` is true of it. Raises AssertionError with what was fetched last."""
    found: list[T] = []

    async def is_found() -> bool:
        found[:] = [await fetch()]
        return bool(holds(found[0]))

    try:
        await wait_for(is_found, seconds)
    except TimeoutError:
        raise AssertionError(f"still {found}") from None
    return found[0]


async def wait_until_equal(
    fetch: Callable[[], Awaitable[object]], expected: object, seconds: float = WAIT_TIMEOUT_SECONDS
) -> None:
    """Fetch until it is what is expected. Raises AssertionError with what was fetched last."""
    await fetch_until(fetch, lambda found: found == expected, seconds)
