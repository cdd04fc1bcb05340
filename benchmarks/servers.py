"""PostgreSQL and RabbitMQ of a benchmark in a temporary folder, with our schemas and our topology."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import asyncpg

from cli.migrate.database import locate_migrations
from deploy.local.concurrency import enter_both
from deploy.local.postgres import PostgresServer, run_postgres
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from shared.amqp import topology
from shared.database.migrations import migrate

PASSWORD = "only-for-benchmarks"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class BenchmarkDatabase:
    """A database with our schemas; `owner` is a connection of its owner."""

    server: PostgresServer
    owner: asyncpg.Connection

    async def enable_login(self, role: str) -> str:
        """Let a role log in with PASSWORD; return the URL for it, without the password."""
        await self.owner.execute(f"alter role {role} login password '{PASSWORD}'")
        return f"postgresql://{role}@{self.server.url.rpartition('@')[2]}"


@dataclass(frozen=True, kw_only=True)
class BenchmarkServers:
    """The servers of a run, and the folder for everything else that belongs to it."""

    folder: Path
    database: BenchmarkDatabase
    broker: RabbitServer


@contextmanager
def create_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kreisfunk-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL's user has to traverse it
        yield folder


@asynccontextmanager
async def run_database(folder: Path, schemas: tuple[str, ...]) -> AsyncIterator[BenchmarkDatabase]:
    async with run_postgres(folder / "postgres", secrets.token_hex(16)) as server:
        owner = await asyncpg.connect(server.url, command_timeout=600)
        try:
            for schema in schemas:
                await migrate(owner, schema, locate_migrations(schema))
            yield BenchmarkDatabase(server=server, owner=owner)
        finally:
            await owner.close()


@asynccontextmanager
async def run_broker(folder: Path) -> AsyncIterator[RabbitServer]:
    async with run_rabbitmq(folder / "rabbitmq", secrets.token_hex(16), print) as broker:
        async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
            await topology.declare(channel)
        yield broker


@asynccontextmanager
async def run_servers(*schemas: str) -> AsyncIterator[BenchmarkServers]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(create_folder())
        database, broker = await enter_both(stack, run_database(folder, schemas), run_broker(folder))
        yield BenchmarkServers(folder=folder, database=database, broker=broker)
