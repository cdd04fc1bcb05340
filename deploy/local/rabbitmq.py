"""A private RabbitMQ node from the system's packages, with its own ports, data and epmd."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from deploy.container_secrets import ADMIN
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command, Progress, ignore_progress, is_port_open, read_output, wait_until_ready
from deploy.local.rabbitmq_files import NODE, RabbitPorts, build_node_environment, write_files
from deploy.local.rabbitmq_install import RabbitPrograms, compile_plugin, ensure_rabbit_programs

READY_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 30


class RabbitServer(Child):
    """A RabbitMQ node; `stop`, `kill` and `start` keep its ports and data."""

    def __init__(
        self, command: Command, ports: RabbitPorts, password: str, control: Path, node: str, epmd: Child, *, owns: bool
    ) -> None:
        super().__init__(command)
        self.port, self.api_port, self.metrics_port = ports.amqp, ports.api, ports.metrics
        self.password, self.node_name, self.epmd = password, node, epmd
        self._control, self._owns_epmd = control, owns

    @property
    def url(self) -> str:
        """URL with the administrator's login; the vhost is "/"."""
        return build_admin_url(self.password, self.hosts)

    @property
    def hosts(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{LOOPBACK}:{self.metrics_port}/metrics"

    async def start(self) -> None:
        if self.epmd.pid is None:
            await self.epmd.start()
        await super().start()
        await wait_until_ready(self, self._is_accepting, seconds=READY_TIMEOUT_SECONDS)

    async def stop(self, seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        await super().stop(seconds)
        if self._owns_epmd:
            await self.epmd.stop(1)

    async def run_rabbitmqctl(self, *arguments: str, tool: str = "rabbitmqctl") -> str:
        """Run RabbitMQ's `tool` on this node, beyond the management API; return its output. Raises LocalError."""
        command = (str(self._control.with_name(tool)), "--quiet", "--node", self.node_name, *arguments)
        return await read_output(f"{tool} {arguments[0]}", *command, environment=self.command.environment)

    async def _is_accepting(self) -> bool:
        """Return whether the AMQP port is open; the broker opens it last, after plugins and definitions."""
        return await is_port_open(LOOPBACK, self.port)


@asynccontextmanager
async def run_rabbitmq(
    folder: Path, password: str, progress: Progress = ignore_progress
) -> AsyncIterator[RabbitServer]:
    """Run a broker that keeps its data in `folder`; installs the package if it is missing and we may."""
    programs = await ensure_rabbit_programs(folder / "install.log", progress)
    with reserve_ports(5) as (amqp, api, metrics, distribution, epmd):
        ports = RabbitPorts(amqp=amqp, api=api, metrics=metrics, distribution=distribution, epmd=epmd)
        write_files(folder, password, ports)
        await compile_plugin(folder / "plugins", programs)
        server = build_server(folder, password, ports, programs)
        try:
            await server.start()
            yield server
        finally:
            await server.stop()


def build_admin_url(password: str, hosts: str) -> str:
    return f"amqp://{ADMIN}:{quote(password, safe='')}@{hosts}/"


def build_server(
    folder: Path,
    password: str,
    ports: RabbitPorts,
    programs: RabbitPrograms,
    *,
    name: str = "rabbitmq",
    node: str = NODE,
    epmd: Child | None = None,
) -> RabbitServer:
    """Build a node; it stands alone unless it shares an `epmd` with others."""
    command = Command(
        name=name,
        arguments=(str(programs.server),),
        log=folder / "console.log",
        environment=build_node_environment(folder, ports, programs, node),
    )
    daemon = epmd or build_epmd(folder, ports, programs)
    return RabbitServer(command, ports, password, programs.control, node, daemon, owns=epmd is None)


def build_epmd(folder: Path, ports: RabbitPorts, programs: RabbitPrograms) -> Child:
    command = Command(
        name="epmd",
        arguments=(str(programs.epmd), "-port", str(ports.epmd), "-address", LOOPBACK),
        log=folder / "console.log",
        environment=build_node_environment(folder, ports, programs),
    )
    return Child(command)
