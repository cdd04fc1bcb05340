"""A private RabbitMQ node from the system's packages, with its own ports, data, epmd and our plugin."""

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from deploy import LocalError
from deploy.atomic_write import write_secret
from deploy.container_secrets import ADMIN, build_definitions
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import (
    Child,
    Command,
    Progress,
    hold_install_lock,
    ignore_progress,
    is_port_open,
    open_log,
    read_log_tail,
    read_output,
    wait_until_ready,
)

READY_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 30
SEARCH_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
INSTALL_SCRIPT = Path(__file__).with_name("install-rabbitmq.sh")
INSTALL_HINT = (
    "Install the package rabbitmq-server yourself (Debian, Ubuntu: apt-get install --no-install-recommends"
    " rabbitmq-server), then start again."
)
RABBITMQ = Path(__file__).parents[1] / "rabbitmq"
PLUGIN = "kreisfunk_bounds"
NODE = "kreisfunk@localhost"

CONFIGURATION = """\
listeners.tcp.1 = {host}:{amqp}
tcp_listen_options.sndbuf = 65536
tcp_listen_options.recbuf = 16384
management.tcp.ip = {host}
management.tcp.port = {api}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {metrics}
auth_backends.1.authn = internal
auth_backends.1.authz = kreisfunk_bounds
definitions.import_backend = local_filesystem
definitions.local.path = {folder}/definitions.json
log.file = {folder}/rabbitmq.log
log.file.level = warning
log.file.rotation.size = 10485760
log.file.rotation.count = 5
log.console = false
vm_memory_high_watermark.absolute = 768MiB
disk_free_limit.absolute = 100MB
max_message_size = 8388608
frame_max = 16384
raft.wal_max_size_bytes = 33554432
management.rates_mode = basic
"""

# Credit of a channel: with RabbitMQ's default of 400, as many messages still arrive after a queue is full. And the wait
# of a retry that returns to a full queue, in ms: RabbitMQ's default of three minutes would block the others.
RABBIT_ARGUMENTS = "-rabbit credit_flow_default_credit {8,4} dead_letter_worker_publisher_confirm_timeout 10000"
ERLANG_ARGUMENTS = f"+S 1:1 +B i -noinput -kernel inet_dist_use_interface {{127,0,0,1}} {RABBIT_ARGUMENTS}"


class RabbitPorts(NamedTuple):
    amqp: int
    api: int
    metrics: int
    distribution: int
    epmd: int


@dataclass(frozen=True, kw_only=True)
class RabbitPrograms:
    server: Path
    control: Path
    epmd: Path
    erlc: Path

    @property
    def plugins(self) -> Path:
        return self.server.resolve().parents[1] / "plugins"


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
        try:
            # The broker opens its AMQP port last, after plugins and definitions.
            await wait_until_ready(self, partial(is_port_open, LOOPBACK, self.port), seconds=READY_TIMEOUT_SECONDS)
        except asyncio.CancelledError:
            self.kill()  # Erlang ignores a signal to stop in its first moments
            raise

    async def stop(self, seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        await super().stop(seconds)
        if self._owns_epmd:
            await self.epmd.stop(1)

    async def run_rabbitmqctl(self, *arguments: str, tool: str = "rabbitmqctl") -> str:
        """Run RabbitMQ's `tool` on this node, beyond the management API; return its output. Raises LocalError."""
        command = (str(self._control.with_name(tool)), "--quiet", "--node", self.node_name, *arguments)
        return await read_output(f"{tool} {arguments[0]}", *command, environment=self.command.environment)


@asynccontextmanager
async def run_rabbitmq(
    folder: Path, password: str, progress: Progress = ignore_progress
) -> AsyncIterator[RabbitServer]:
    """Run a broker that keeps its data in `folder`; installs the package if it is missing and we may."""
    programs = await ensure_rabbit_programs(folder / "install.log", progress)
    with reserve_ports(len(RabbitPorts._fields)) as numbers:
        ports = RabbitPorts(*numbers)
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


def write_files(
    folder: Path, password: str, ports: RabbitPorts, extra_configuration: str = "", cookie: str | None = None
) -> None:
    """Write the node's files over those of an earlier run with other ports; data and cookie stay."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = CONFIGURATION.format(host=LOOPBACK, folder=folder, **ports._asdict())
    write_secret(folder / "rabbitmq.conf", configuration + extra_configuration)
    write_secret(folder / "enabled_plugins", (RABBITMQ / "enabled_plugins").read_text())
    write_secret(folder / "definitions.json", json.dumps(build_definitions(password, salt=secrets.token_bytes(4))))
    if not (folder / ".erlang.cookie").exists():
        write_secret(folder / ".erlang.cookie", cookie or secrets.token_hex(20))


def build_node_environment(
    folder: Path, ports: RabbitPorts, programs: RabbitPrograms, node: str = NODE
) -> dict[str, str]:
    """Return an environment in which the node uses no file of the system's own broker in /etc and /var."""
    erlang = os.pathsep.join((str(programs.epmd.parent), os.environ.get("PATH", os.defpath)))
    return {
        "PATH": erlang,
        "HOME": str(folder),  # Erlang looks for the cookie here
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script execs the node instead of remaining its parent
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PLUGINS_DIR": os.pathsep.join((str(programs.plugins), str(folder / "plugins"))),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_MNESIA_DIR": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
    }


async def ensure_rabbit_programs(log: Path, progress: Progress) -> RabbitPrograms:
    # Search under the lock, too: while another process installs, only some of the programs exist.
    async with hold_install_lock():
        programs = find_programs()
        if programs is None:
            await _install(log, progress)
            programs = find_programs()
    if programs is None:
        folders = ", ".join(SEARCH_FOLDERS)
        raise LocalError(f"RabbitMQ was installed, but its programs are not in PATH or {folders}.")
    return programs


def find_programs() -> RabbitPrograms | None:
    """Find the programs, in PATH last, as Debian's rabbitmq-server in PATH is a wrapper for its own user."""
    path = os.pathsep.join((*SEARCH_FOLDERS, os.environ.get("PATH", os.defpath)))
    server = shutil.which("rabbitmq-server", path=path)
    control = shutil.which("rabbitmqctl", path=path)
    epmd, erlc = (shutil.which(name, path=f"{path}{os.pathsep}/usr/lib/erlang/bin") for name in ("epmd", "erlc"))
    if server is None or control is None or epmd is None or erlc is None:
        return None
    return RabbitPrograms(server=Path(server), control=Path(control), epmd=Path(epmd), erlc=Path(erlc))


async def _install(log: Path, progress: Progress) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for program in ("apt-get", *prefix[:1]):
        if shutil.which(program) is None:
            raise LocalError(f"RabbitMQ is missing, and so is {program} to install it. {INSTALL_HINT}")
    progress("installing RabbitMQ from the system's packages (once, about a minute)")
    with open_log(log) as output:
        process = await asyncio.create_subprocess_exec(
            *prefix, "sh", str(INSTALL_SCRIPT), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
        # Does not end with us: a killed package manager leaves the system half configured.
        status = await process.wait()
    if status != 0:
        raise LocalError(f"Installing RabbitMQ failed with status {status}. {INSTALL_HINT}{read_log_tail(log)}")


async def compile_plugin(plugins: Path, programs: RabbitPrograms) -> None:
    source, target = RABBITMQ / "bounds", plugins / PLUGIN / "ebin"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy(source / f"{PLUGIN}.app", target)
    command = (str(programs.erlc), "-o", str(target), str(source / f"{PLUGIN}.erl"))
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(plugins), "ERL_LIBS": str(programs.plugins)}
    await read_output(f"Compiling {PLUGIN}", *command, environment=environment)
