"""The whole system started from scratch: servers, secrets, migrations, simulator, services."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from deploy.local.concurrency import run_together
from deploy.local.environments import StackEnvironment, build_command_environments, filter_inherited
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Progress, ignore_progress, run_to_end
from deploy.local.proxies import Proxies, run_proxies
from deploy.local.services import (
    Ports,
    ReplicaCounts,
    Settings,
    assign_ports,
    build_migration_command,
    build_services,
    build_simulator,
)
from deploy.local.signals import cancel_on_signals
from deploy.local.stack_file import StackAddresses, lock_folder, publish_addresses
from deploy.local.stack_servers import StackServers, start_servers
from deploy.local.supervisor import Supervisor, run_supervisor
from deploy.paths import CONFIG
from deploy.secrets import create_secrets

SIMULATOR = "simulator"
DATA_FOLDERS = ("postgres", "rabbitmq", "secrets")


@dataclass(frozen=True, kw_only=True)
class Stack(StackAddresses, StackServers):
    """A running system; the fields of its addresses are also in `stack.json`.

    `supervisor` kills and restarts processes.
    """

    folder: Path
    supervisor: Supervisor = field(repr=False)
    proxies: Proxies = field(repr=False)


@asynccontextmanager
async def run_stack(
    folder: Path,
    *,
    dispatchers: int = 2,
    subscriptions: int = 1,
    ingresses: int = 1,
    newsrooms: int = 0,
    messages_per_second: int = 80,
    fresh: bool = False,
    settings: Settings | None = None,
    proxied: bool = False,
    replicated: bool = False,
    county: Path = CONFIG / "county.toml",
    ports: Sequence[int] = (),
    progress: Progress = ignore_progress,
) -> AsyncIterator[Stack]:
    """Start the system, yield it once it is ready, and end everything when the context is left.

    A signal that asks us to end does the same, and is raised as a KeyboardInterrupt.

    `folder` (`.local/<name>`) keeps data and secrets for the next run; `fresh` removes them first. `settings` adds
    variables by kind of process: `{"dispatcher": {"KREISFUNK_UNKNOWN_GRACE_SECONDS": "10"}}`. With `proxied` our
    processes connect through proxies in this process, which can make connections fail. With `replicated` there are
    three RabbitMQ nodes and three PostgreSQL servers, which begin anew each time. `county` is the county's file;
    `ports` are used for phones, webhook, notices API, newsroom and archive, in this order, if they are free.
    """
    numbers = ReplicaCounts(
        ingresses=ingresses, subscriptions=subscriptions, dispatchers=dispatchers, newsrooms=newsrooms
    )
    starting = _StackStarter(
        folder=_make_absolute(folder),
        numbers=numbers,
        messages_per_second=messages_per_second,
        fresh=fresh,
        settings=settings or {},
        proxied=proxied,
        replicated=replicated,
        county=_make_absolute(county),
        ports=ports,
        progress=progress,
    )
    async with AsyncExitStack() as ends:
        ends.enter_context(cancel_on_signals())
        ends.enter_context(lock_folder(starting.folder))
        yield await starting.start(ends)


def _make_absolute(path: Path) -> Path:
    """Return an absolute path, as the processes have another working folder than we."""
    return path.absolute()


@dataclass(frozen=True, kw_only=True)
class _StackStarter:
    folder: Path
    numbers: ReplicaCounts
    messages_per_second: int
    fresh: bool
    settings: Settings
    proxied: bool
    replicated: bool
    county: Path
    ports: Sequence[int]
    progress: Progress

    async def start(self, ends: AsyncExitStack) -> Stack:
        self._prepare_folder()
        servers = await self._start_servers(ends)
        ports = assign_ports(self.numbers, ends.enter_context(reserve_ports(self.numbers.ports, self.ports)))
        around = self._build_environment(servers, ports)
        ways = await ends.enter_async_context(run_proxies(around, ports)) if self.proxied else Proxies()
        supervisor = await ends.enter_async_context(run_supervisor(self.progress))
        supervisor.watch_running(*servers.supervised)
        await self._start_processes(supervisor, ways.apply_to(around), ports)
        # Stop the simulator first, while the ingress accepts its last webhooks; later it would wait for that in vain.
        ends.push_async_callback(supervisor.stop_one, SIMULATOR)
        addresses = self._build_addresses(servers, around, ports)
        ends.enter_context(publish_addresses(self.folder, addresses))
        return Stack(
            **vars(addresses),
            **vars(servers),
            folder=self.folder,
            supervisor=supervisor,
            proxies=ways,
        )

    def _prepare_folder(self) -> None:
        forgotten = [self._logs, *(self.folder / name for name in DATA_FOLDERS if self.fresh)]
        for path in forgotten:
            shutil.rmtree(path, ignore_errors=True)
        self._logs.mkdir(mode=0o700)
        create_secrets(self._secrets)

    async def _start_servers(self, ends: AsyncExitStack) -> StackServers:
        self.progress("starting PostgreSQL and RabbitMQ")
        return await start_servers(
            ends,
            self.folder,
            database_password=self._read_secret("admin/kreisfunk_database_password"),
            broker_password=self._read_secret("admin/kreisfunk_broker_password"),
            replicated=self.replicated,
            say=self.progress,
        )

    async def _start_processes(self, supervisor: Supervisor, stack: StackEnvironment, ports: Ports) -> None:
        """Start the processes; the simulator depends on no other and starts while the migrations run."""
        self.progress("preparing database and broker, starting the simulator")
        await run_together(
            run_to_end(build_migration_command(stack, self._logs)),
            supervisor.start(build_simulator(stack, self._logs, self.settings)),
        )
        self.progress(f"starting {', '.join(ports.internal)}")
        await supervisor.start(*build_services(stack, ports, self._logs, self.settings))

    def _build_environment(self, servers: StackServers, ports: Ports) -> StackEnvironment:
        broker_port, *other_broker_ports = servers.broker_ports
        database_port, *other_database_ports = servers.database_ports
        return StackEnvironment(
            inherited=filter_inherited(os.environ),
            secrets=self._secrets,
            broker_port=broker_port,
            other_broker_ports=tuple(other_broker_ports),
            broker_api_port=servers.rabbitmq.api_port,
            database_port=database_port,
            other_database_ports=tuple(other_database_ports),
            simulator_port=ports.simulator,
            ingress_port=ports.ingresses[0],
            notices_api_port=ports.notices[0],
            messages_per_second=self.messages_per_second,
            newsroom_port=next(iter(ports.newsrooms), 0),
            archive_port=next(iter(ports.archives), 0),
            county_file=self.county,
        )

    def _build_addresses(self, servers: StackServers, stack: StackEnvironment, ports: Ports) -> StackAddresses:
        control_token = self._read_secret("simulator/simulator_control_token")
        monitor = f"kreisfunk_monitor:{quote(self._read_secret('monitor/kreisfunk_database_password'))}"
        return StackAddresses(
            simulator_url=stack.simulator_url,
            phones_url=f"{stack.simulator_url}/#{control_token}",
            control_token=control_token,
            ingress_url=f"http://{LOOPBACK}:{ports.ingresses[0]}",
            ingress_urls=[f"http://{LOOPBACK}:{port}" for port in ports.ingresses],
            notices_api_url=stack.notices_api_url,
            newsroom_url=stack.newsroom_url,
            archive_url=stack.archive_url,
            metrics_urls={**ports.metrics_urls, **servers.server_metrics_urls},
            broker_url=servers.admin_broker_url,
            broker_api_url=servers.rabbitmq.api_url,
            database_url=servers.owner_database_url,
            monitor_database_url=stack.build_database_url(monitor),
            **build_command_environments(stack),
        )

    def _read_secret(self, file: str) -> str:
        return (self._secrets / file).read_text().strip()

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def _logs(self) -> Path:
        return self.folder / "logs"
