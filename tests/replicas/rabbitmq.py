"""Three RabbitMQ nodes that are one broker, on one machine."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import reserve_ports
from deploy.local.process import Child, Progress, ignore_progress, run_together
from deploy.local.rabbitmq import (
    RABBITMQ,
    RabbitPorts,
    RabbitPrograms,
    RabbitServer,
    build_admin_url,
    build_epmd,
    build_server,
    compile_plugin,
    ensure_rabbit_programs,
    write_files,
)

SIZE = 3
# Each node listens for AMQP, management, metrics and other nodes.
PORTS_PER_NODE = 4
CLASSIC_CONFIG = "cluster_formation.peer_discovery_backend = classic_config"


@dataclass(frozen=True, kw_only=True)
class ClusteredBroker:
    """A broker of several nodes; `nodes` are started, killed and stopped by themselves."""

    nodes: tuple[RabbitServer, ...]
    password: str = field(repr=False)

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(node.port for node in self.nodes)

    @property
    def url(self) -> str:
        """URL of all nodes with the administrator's login."""
        return build_admin_url(self.password, ",".join(node.hosts for node in self.nodes))

    async def find_leader(self, queue: str) -> RabbitServer:
        """Return the node that leads a quorum queue; only while the first node is up. Raises LocalError."""
        rows = await self.nodes[0].run_rabbitmqctl("list_queues", "--no-table-headers", "name", "leader")
        leaders = dict(row.split("\t") for row in rows.splitlines())
        return next(node for node in self.nodes if node.node_name == leaders[queue])

    async def cut_off(self, node: RabbitServer, seconds: float) -> None:
        """Let a node and the others refuse each other for `seconds`, from now on. Raises LocalError.

        They go on refusing without us: a node that has stopped serving could not be told to end it.
        """
        others = ",".join(f"'{other.node_name}'" for other in self.nodes if other is not node)
        await node.run_rabbitmqctl(
            "eval",
            f"Others = [{others}],"
            "[erlang:set_cookie(Other, cut_off) || Other <- Others],"
            "[erlang:disconnect_node(Other) || Other <- Others],"
            f"spawn(fun() -> timer:sleep({int(seconds * 1000)}),"
            " [erlang:set_cookie(Other, erlang:get_cookie()) || Other <- Others] end), ok.",
        )

    async def wait_until_replicated(self, node: RabbitServer, seconds: float) -> None:
        """Wait until every queue has a majority without this node. Raises LocalError."""
        await node.run_rabbitmqctl(
            "await_online_quorum_plus_one", "--timeout", str(int(seconds)), tool="rabbitmq-upgrade"
        )


@asynccontextmanager
async def run_rabbitmq_cluster(
    folder: Path, password: str, progress: Progress = ignore_progress
) -> AsyncIterator[ClusteredBroker]:
    """Run the nodes, whose data stays in `folder`; installs the package if it is missing and we may."""
    programs = await ensure_rabbit_programs(folder / "install.log", progress)
    with reserve_ports(SIZE * PORTS_PER_NODE + 1) as (epmd_port, *free):
        ports = [_assign_ports(free[number::SIZE], epmd_port) for number in range(SIZE)]
        epmd = build_epmd(folder, ports[0], programs)
        nodes = tuple(_prepare_nodes(folder, password, ports, programs, epmd))
        for number in range(SIZE):
            await compile_plugin(_find_folder(folder, number) / "plugins", programs)
        try:
            await epmd.start()
            await run_together(*(node.start() for node in nodes))
            yield ClusteredBroker(nodes=nodes, password=password)
        finally:
            await run_together(*(node.stop() for node in nodes))
            await epmd.stop(1)


def _assign_ports(free: list[int], epmd: int) -> RabbitPorts:
    amqp, api, metrics, distribution = free
    return RabbitPorts(amqp=amqp, api=api, metrics=metrics, distribution=distribution, epmd=epmd)


def _name_node(number: int) -> str:
    return f"kreisfunk-{number + 1}@localhost"


def _find_folder(folder: Path, number: int) -> Path:
    return folder / f"node-{number + 1}"


def _keep_cookie(folder: Path) -> str:
    """Return the cookie of the first node's earlier run, if there was one."""
    kept = _find_folder(folder, 0) / ".erlang.cookie"
    return kept.read_text() if kept.exists() else secrets.token_hex(20)


def _build_configuration(names: Sequence[str]) -> str:
    found = (f"cluster_formation.classic_config.nodes.{number} = {name}" for number, name in enumerate(names, 1))
    return "\n".join(((RABBITMQ / "cluster.conf").read_text(), CLASSIC_CONFIG, *found, ""))


def _prepare_nodes(
    folder: Path,
    password: str,
    ports: list[RabbitPorts],
    programs: RabbitPrograms,
    epmd: Child,
) -> Iterator[RabbitServer]:
    names, cookie = [_name_node(number) for number in range(SIZE)], _keep_cookie(folder)
    for number, (name, own) in enumerate(zip(names, ports, strict=True)):
        place = _find_folder(folder, number)
        write_files(place, password, own, _build_configuration(names), cookie)
        yield build_server(place, password, own, programs, name=f"rabbitmq-{number + 1}", node=name, epmd=epmd)
