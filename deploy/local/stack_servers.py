"""PostgreSQL and RabbitMQ of a stack: one server of each, or three."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.concurrency import enter_both
from deploy.local.postgres import PostgresServer, run_postgres
from deploy.local.postgres_replicas import ReplicatedDatabase, run_postgres_replicas
from deploy.local.process import Progress
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from deploy.local.rabbitmq_cluster import ClusteredBroker, run_rabbitmq_cluster
from deploy.local.supervisor import Runnable


@dataclass(frozen=True, kw_only=True)
class StackServers:
    """The servers of a stack.

    If they are replicated, `rabbitmq` is the first node of `brokers`, and `postgres` the first server of `database`,
    whose primary another may become.
    """

    postgres: PostgresServer = field(repr=False)
    rabbitmq: RabbitServer = field(repr=False)
    database: ReplicatedDatabase | None = field(default=None, repr=False)
    brokers: ClusteredBroker | None = field(default=None, repr=False)

    @property
    def supervised(self) -> Sequence[Runnable]:
        """Servers that are started again when they end; a primary that did would be in the way of the next one."""
        return self.brokers.nodes if self.brokers else (self.postgres, self.rabbitmq)

    @property
    def broker_ports(self) -> tuple[int, ...]:
        return self.brokers.ports if self.brokers else (self.rabbitmq.port,)

    @property
    def database_ports(self) -> tuple[int, ...]:
        return self.database.ports if self.database else (self.postgres.port,)

    @property
    def admin_broker_url(self) -> str:
        return self.brokers.url if self.brokers else self.rabbitmq.url

    @property
    def owner_database_url(self) -> str:
        return self.database.url if self.database else self.postgres.url

    @property
    def server_metrics_urls(self) -> dict[str, str]:
        nodes = self.brokers.nodes if self.brokers else (self.rabbitmq,)
        return {node.name: node.metrics_url for node in nodes}


async def start_servers(
    ends: AsyncExitStack, folder: Path, *, database_password: str, broker_password: str, replicated: bool, say: Progress
) -> StackServers:
    """Start the servers, which end with `ends`. Raises LocalError."""
    if replicated:
        database, brokers = await enter_both(
            ends,
            run_postgres_replicas(folder / "postgres", database_password),
            run_rabbitmq_cluster(folder / "rabbitmq", broker_password, say),
        )
        first = database.members[0].server
        return StackServers(postgres=first, rabbitmq=brokers.nodes[0], database=database, brokers=brokers)
    postgres, rabbitmq = await enter_both(
        ends,
        run_postgres(folder / "postgres", database_password),
        run_rabbitmq(folder / "rabbitmq", broker_password, say),
    )
    return StackServers(postgres=postgres, rabbitmq=rabbitmq)
