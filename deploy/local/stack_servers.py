"""PostgreSQL and RabbitMQ of a stack."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.concurrency import enter_both
from deploy.local.postgres import PostgresServer, run_postgres
from deploy.local.process import Child, Progress
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq


@dataclass(frozen=True, kw_only=True)
class StackServers:
    """The servers of a stack: one of each, unless a subclass has more."""

    postgres: PostgresServer = field(repr=False)
    rabbitmq: RabbitServer = field(repr=False)

    @property
    def supervised(self) -> Sequence[Child]:
        """Servers that are restarted when they end."""
        return self.postgres, self.rabbitmq

    @property
    def broker_ports(self) -> tuple[int, ...]:
        return (self.rabbitmq.port,)

    @property
    def database_ports(self) -> tuple[int, ...]:
        return (self.postgres.port,)

    @property
    def admin_broker_url(self) -> str:
        return self.rabbitmq.url

    @property
    def owner_database_url(self) -> str:
        return self.postgres.url

    @property
    def server_metrics_urls(self) -> dict[str, str]:
        return {self.rabbitmq.name: self.rabbitmq.metrics_url}


# Called with folder, password of the database, password of the broker.
StartServers = Callable[[AsyncExitStack, Path, str, str, Progress], Awaitable[StackServers]]


async def start_servers(
    resources: AsyncExitStack, folder: Path, database_password: str, broker_password: str, progress: Progress
) -> StackServers:
    """Start the servers, which stop with `resources`. Raises LocalError."""
    postgres, rabbitmq = await enter_both(
        resources,
        run_postgres(folder / "postgres", database_password),
        run_rabbitmq(folder / "rabbitmq", broker_password, progress),
    )
    return StackServers(postgres=postgres, rabbitmq=rabbitmq)
