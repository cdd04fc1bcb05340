"""Three servers of each kind in a stack's place of one."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.process import Child, Progress, enter_both
from deploy.local.stack import StackServers
from tests.replicas.postgres import ReplicatedDatabase, run_postgres_replicas
from tests.replicas.rabbitmq import ClusteredBroker, run_rabbitmq_cluster


@dataclass(frozen=True, kw_only=True)
class ReplicatedServers(StackServers):
    """`rabbitmq` is the first node of `brokers`, `postgres` the first server of `database`.

    Another server may become its primary.
    """

    database: ReplicatedDatabase = field(repr=False)
    brokers: ClusteredBroker = field(repr=False)

    @property
    def supervised(self) -> Sequence[Child]:
        """Servers that are started again when they end; a primary that did would be in the way of the next one."""
        return self.brokers.nodes

    @property
    def broker_ports(self) -> tuple[int, ...]:
        return self.brokers.ports

    @property
    def database_ports(self) -> tuple[int, ...]:
        return self.database.ports

    @property
    def admin_broker_url(self) -> str:
        return self.brokers.url

    @property
    def owner_database_url(self) -> str:
        return self.database.url

    @property
    def server_metrics_urls(self) -> dict[str, str]:
        return {node.name: node.metrics_url for node in self.brokers.nodes}


async def start_replicated_servers(
    ends: AsyncExitStack, folder: Path, database_password: str, broker_password: str, say: Progress
) -> ReplicatedServers:
    """Start three of each, which begin anew each time and end with `ends`. Raises LocalError."""
    database, brokers = await enter_both(
        ends,
        run_postgres_replicas(folder / "postgres", database_password),
        run_rabbitmq_cluster(folder / "rabbitmq", broker_password, say),
    )
    first = database.members[0].server
    return ReplicatedServers(postgres=first, rabbitmq=brokers.nodes[0], database=database, brokers=brokers)
