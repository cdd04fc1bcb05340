"""The servers of the test session as containers, if a container engine runs."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import asyncpg

from deploy.container_secrets import ADMIN
from deploy.local.ports import reserve_ports
from deploy.local.process import enter_both
from tests.servers import Servers, is_broker_ready, wait_for

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # each container is removed by its context

from testcontainers.core.container import DockerContainer

POSTGRES_IMAGE = "postgres:17"
RABBITMQ_IMAGE = "rabbitmq:4-management"
START_TIMEOUT_SECONDS = 120


@asynccontextmanager
async def run_container_servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        database_url, broker = await enter_both(stack, _run_postgres(), _run_rabbitmq())
        yield replace(broker, database_url=database_url)


@asynccontextmanager
async def _run_postgres() -> AsyncIterator[str]:
    password = secrets.token_hex(16)
    container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", password).with_exposed_ports(5432)
    async with _run_container(container):
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
        url = f"postgresql://postgres:{password}@{address}/postgres"
        await wait_for(lambda: _is_database_ready(url), START_TIMEOUT_SECONDS)
        yield url


@asynccontextmanager
async def _run_rabbitmq() -> AsyncIterator[Servers]:
    password = secrets.token_hex(16)
    with reserve_ports(2) as (amqp, api):
        container = DockerContainer(RABBITMQ_IMAGE).with_bind_ports(5672, amqp).with_bind_ports(15672, api)
        container.with_envs(RABBITMQ_DEFAULT_USER=ADMIN, RABBITMQ_DEFAULT_PASS=password)
        async with _run_container(container):
            host = container.get_container_host_ip()
            broker_url = f"amqp://{ADMIN}:{password}@{host}:{amqp}/"
            servers = Servers(database_url="", broker_url=broker_url, broker_api_url=f"http://{host}:{api}")
            await wait_for(lambda: is_broker_ready(servers), START_TIMEOUT_SECONDS)
            yield servers


@asynccontextmanager
async def _run_container(container: DockerContainer) -> AsyncIterator[None]:
    try:
        await asyncio.to_thread(container.start)
        yield
    finally:
        await asyncio.to_thread(container.stop)
        container.get_docker_client().client.close()


async def _is_database_ready(url: str) -> bool:
    """Check over TCP, as the image first starts a server for its own preparations that does not listen on TCP."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
