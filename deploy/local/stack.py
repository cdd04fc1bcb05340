"""The whole system, from nothing: servers, secrets, migrations, simulator, services."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from deploy.local.detours import Detours, detours
from deploy.local.environments import (
    CONFIG,
    Surroundings,
    feeds,
    inherited_environment,
    operator,
    publisher,
    quarantine,
    systems,
    tokens,
)
from deploy.local.names import DATABASE
from deploy.local.ports import LOOPBACK, reserved_ports
from deploy.local.postgres import PostgresServer, local_postgres
from deploy.local.process import run_to_end
from deploy.local.rabbitmq import RabbitServer, local_rabbitmq
from deploy.local.secret_files import create_secrets
from deploy.local.services import (
    Numbers,
    Ports,
    Settings,
    assign_ports,
    migration,
    service_processes,
    simulator_process,
)
from deploy.local.signals import ended_by_signals
from deploy.local.stack_file import StackAddresses, folder_lock, published
from deploy.local.supervisor import Supervisor, supervision
from deploy.local.together import all_together, enter_both

Progress = Callable[[str], None]
SIMULATOR = "simulator"
DATA_FOLDERS = ("postgres", "rabbitmq", "secrets")


@dataclass(frozen=True, kw_only=True)
class Stack(StackAddresses):
    """A running system. What it inherits is also in `stack.json`; `supervisor` kills and restarts."""

    folder: Path
    postgres: PostgresServer = field(repr=False)
    rabbitmq: RabbitServer = field(repr=False)
    supervisor: Supervisor = field(repr=False)
    detours: Detours = field(repr=False)


def _silent(_: str) -> None:
    pass


@asynccontextmanager
async def local_stack(
    folder: Path,
    *,
    dispatchers: int = 2,
    subscriptions: int = 1,
    ingresses: int = 1,
    messages_per_second: int = 80,
    fresh: bool = False,
    settings: Settings | None = None,
    proxied: bool = False,
    county: Path = CONFIG / "county.toml",
    ports: Sequence[int] = (),
    progress: Progress = _silent,
) -> AsyncIterator[Stack]:
    """Up when the context is entered; everything is ended when it is left.

    A signal that asks us to end does the same, and comes out as a KeyboardInterrupt.

    `folder` (`.local/<name>`) keeps data and secrets for the next time; `fresh` begins with none. `settings`
    adds variables by kind of process: `{"dispatcher": {"KREISFUNK_UNKNOWN_GRACE_SECONDS": "10"}}`. With `proxied`
    our processes reach one another through proxies of this process, which can make connections fail. `county` is
    the county's file, `ports` are those that phones, webhooks and notices get if they are free.
    """
    numbers = Numbers(ingresses=ingresses, subscriptions=subscriptions, dispatchers=dispatchers)
    starting = _Starting(
        folder=_absolute(folder),
        numbers=numbers,
        messages_per_second=messages_per_second,
        fresh=fresh,
        settings=settings or {},
        proxied=proxied,
        county=_absolute(county),
        ports=ports,
        progress=progress,
    )
    async with AsyncExitStack() as ends:
        ends.enter_context(ended_by_signals())
        ends.enter_context(folder_lock(starting.folder))
        yield await starting.start(ends)


def _absolute(path: Path) -> Path:
    """The processes have another working folder than we."""
    return path.absolute()


@dataclass(frozen=True, kw_only=True)
class _Starting:
    folder: Path
    numbers: Numbers
    messages_per_second: int
    fresh: bool
    settings: Settings
    proxied: bool
    county: Path
    ports: Sequence[int]
    progress: Progress

    async def start(self, ends: AsyncExitStack) -> Stack:
        self._prepare_folder()
        postgres, rabbitmq = await self._start_servers(ends)
        ports = assign_ports(self.numbers, ends.enter_context(reserved_ports(self.numbers.ports, self.ports)))
        around = self._surroundings(postgres, rabbitmq, ports)
        ways = await ends.enter_async_context(detours(around, ports)) if self.proxied else Detours()
        supervisor = await ends.enter_async_context(supervision(self.progress))
        supervisor.adopt(postgres, rabbitmq)
        await self._start_processes(supervisor, ways.around(around), ports)
        # Before all others, while somebody takes its last webhooks: later it would wait for that in vain.
        ends.push_async_callback(supervisor.take_down, SIMULATOR)
        addresses = self._addresses(postgres, rabbitmq, around, ports)
        ends.enter_context(published(self.folder, addresses))
        return Stack(
            **vars(addresses),
            folder=self.folder,
            postgres=postgres,
            rabbitmq=rabbitmq,
            supervisor=supervisor,
            detours=ways,
        )

    def _prepare_folder(self) -> None:
        forgotten = [self._logs, *(self.folder / name for name in DATA_FOLDERS if self.fresh)]
        for path in forgotten:
            shutil.rmtree(path, ignore_errors=True)
        self._logs.mkdir(mode=0o700)
        create_secrets(self._secrets)

    async def _start_servers(self, ends: AsyncExitStack) -> tuple[PostgresServer, RabbitServer]:
        self.progress("starting PostgreSQL and RabbitMQ")
        return await enter_both(
            ends,
            local_postgres(self.folder / "postgres", self._secret("admin/kreisfunk_database_password")),
            local_rabbitmq(self.folder / "rabbitmq", self._secret("admin/kreisfunk_broker_password"), self.progress),
        )

    async def _start_processes(self, supervisor: Supervisor, around: Surroundings, ports: Ports) -> None:
        """The simulator needs nothing of the others and starts while the migrations run."""
        self.progress("preparing database and broker, starting the simulator")
        await all_together(
            run_to_end(migration(around, self._logs)),
            supervisor.start(simulator_process(around, self._logs, self.settings)),
        )
        self.progress(f"starting {', '.join(ports.internal)}")
        await supervisor.start(*service_processes(around, ports, self._logs, self.settings))

    def _surroundings(self, postgres: PostgresServer, rabbitmq: RabbitServer, ports: Ports) -> Surroundings:
        return Surroundings(
            inherited=inherited_environment(os.environ),
            secrets=self._secrets,
            broker_port=rabbitmq.port,
            broker_api_port=rabbitmq.api_port,
            database_port=postgres.port,
            simulator_port=ports.simulator,
            ingress_port=ports.ingresses[0],
            door_port=ports.doors[0],
            messages_per_second=self.messages_per_second,
            county_file=self.county,
        )

    def _addresses(
        self, postgres: PostgresServer, rabbitmq: RabbitServer, around: Surroundings, ports: Ports
    ) -> StackAddresses:
        control_token = self._secret("simulator/simulator_control_token")
        monitor = f"kreisfunk_monitor:{quote(self._secret('monitor/kreisfunk_database_password'))}"
        return StackAddresses(
            simulator_url=around.simulator_url,
            phones_url=f"{around.simulator_url}/#{control_token}",
            control_token=control_token,
            ingress_url=f"http://{LOOPBACK}:{ports.ingresses[0]}",
            ingress_urls=[f"http://{LOOPBACK}:{port}" for port in ports.ingresses],
            door_url=around.door_url,
            metrics_urls={**ports.metrics_urls, "rabbitmq": rabbitmq.metrics_url},
            broker_url=rabbitmq.url,
            broker_api_url=rabbitmq.api_url,
            database_url=postgres.url,
            monitor_database_url=f"postgresql://{monitor}@{postgres.host}:{postgres.port}/{DATABASE}",
            publisher=publisher(around),
            feeds=feeds(around),
            operator=operator(around),
            quarantine=quarantine(around),
            tokens=tokens(around),
            systems=systems(around),
        )

    def _secret(self, file: str) -> str:
        return (self._secrets / file).read_text().strip()

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def _logs(self) -> Path:
        return self.folder / "logs"
