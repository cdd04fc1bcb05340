"""The whole system, started from scratch: servers, secrets, migrations, simulator, services."""

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from deploy.local.environments import (
    StackEnvironment,
    build_command_environments,
    build_process_environments,
    filter_inherited,
)
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import PostgresServer, run_postgres
from deploy.local.process import (
    Child,
    Progress,
    Supervisor,
    enter_both,
    ignore_progress,
    run_supervisor,
    run_to_end,
    run_together,
)
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from deploy.local.services import (
    Ports,
    Settings,
    assign_ports,
    build_migration_command,
    build_services,
    build_simulator,
    count_ports,
)
from deploy.paths import CONFIG
from deploy.secrets import create_secrets
from deploy.stack_file import StackAddresses, lock_folder, publish_addresses

SIMULATOR = "simulator"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Connect = Callable[[StackEnvironment, Ports], AbstractAsyncContextManager[StackEnvironment]]
DATA_FOLDERS = ("postgres", "rabbitmq", "secrets")


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


@dataclass(frozen=True, kw_only=True)
class Stack(StackAddresses):
    """A running system; the fields of its addresses are also in `stack.json`.

    `supervisor` kills and restarts processes.
    """

    folder: Path
    servers: StackServers = field(repr=False)
    supervisor: Supervisor = field(repr=False)


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
    connect: Connect | None = None,
    start: StartServers = start_servers,
    county: Path = CONFIG / "county.toml",
    ports: Sequence[int] = (),
    progress: Progress = ignore_progress,
) -> AsyncIterator[Stack]:
    """Start the system, yield it once it is ready, and stop everything at exit.

    A termination signal does the same and is raised as KeyboardInterrupt.

    `folder` (`.local/<name>`) keeps data and secrets for the next run; `fresh` removes them first. `settings` adds
    variables by kind of process: `{"dispatcher": {"KREISFUNK_UNKNOWN_GRACE_SECONDS": "10"}}`. `connect` may
    change the ports that our processes connect to, such as to those of proxies; `start` may start several servers of
    each kind. `county` is the county's file; `ports` are used for phones, webhook, notices API, newsroom and archive,
    in this order, if they are free.
    """
    replicas = {
        "ingress": ingresses,
        "notices": 1,
        "subscriptions": subscriptions,
        "dispatcher": dispatchers,
        "newsroom": newsrooms,
    }
    # The processes have another working directory.
    folder, county = Path.cwd() / folder, Path.cwd() / county
    secrets, logs = folder / "secrets", folder / "logs"
    async with AsyncExitStack() as resources:
        resources.enter_context(cancel_on_signals())
        resources.enter_context(lock_folder(folder))
        _prepare_folder(folder, logs, fresh=fresh)
        progress("starting PostgreSQL and RabbitMQ")
        database_password = _read_secret(secrets, "admin/kreisfunk_database_password")
        broker_password = _read_secret(secrets, "admin/kreisfunk_broker_password")
        servers = await start(resources, folder, database_password, broker_password, progress)
        assigned = assign_ports(replicas, resources.enter_context(reserve_ports(count_ports(replicas), ports)))
        environment = _build_environment(servers, assigned, secrets, messages_per_second, county)
        view = await resources.enter_async_context(connect(environment, assigned)) if connect else environment
        supervisor = await resources.enter_async_context(run_supervisor(progress))
        supervisor.watch_running(*servers.supervised)
        await _start_processes(supervisor, view, assigned, logs, settings or {}, progress)
        # Stop the simulator first, while the ingress still accepts its last webhooks.
        resources.push_async_callback(supervisor.stop_one, SIMULATOR)
        addresses = _build_addresses(servers, environment, assigned)
        resources.enter_context(publish_addresses(folder, addresses))
        yield Stack(**vars(addresses), folder=folder, servers=servers, supervisor=supervisor)


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Cancel the entering task at the first signal; the context then raises KeyboardInterrupt.

    A second signal ends this process at once, and the kernel ends the children. Signals that were ignored before, as
    with `nohup` or `&` in a script, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    task, is_cancelled = asyncio.current_task(), False

    def cancel_task(number: signal.Signals) -> None:
        nonlocal is_cancelled
        if is_cancelled or task is None:
            os._exit(128 + number)
        is_cancelled = True
        task.cancel()

    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, cancel_task, number)
    try:
        yield
    except asyncio.CancelledError:
        if is_cancelled:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _prepare_folder(folder: Path, logs: Path, *, fresh: bool) -> None:
    for path in (logs, *(folder / name for name in DATA_FOLDERS if fresh)):
        shutil.rmtree(path, ignore_errors=True)
    logs.mkdir(mode=0o700)
    create_secrets(folder / "secrets")


async def _start_processes(
    supervisor: Supervisor, stack: StackEnvironment, ports: Ports, logs: Path, settings: Settings, progress: Progress
) -> None:
    """Start the processes; the simulator depends on no other and starts while the migrations run."""
    progress("preparing database and broker, starting the simulator")
    await run_together(
        run_to_end(build_migration_command(stack, logs)),
        supervisor.start(build_simulator(stack, logs, settings)),
    )
    progress(f"starting {', '.join(ports.internal)}")
    await supervisor.start(*build_services(stack, ports, logs, settings))


def _build_environment(
    servers: StackServers, ports: Ports, secrets: Path, messages_per_second: int, county: Path
) -> StackEnvironment:
    return StackEnvironment(
        inherited=filter_inherited(os.environ),
        secrets=secrets,
        broker_ports=servers.broker_ports,
        broker_api_port=servers.rabbitmq.api_port,
        database_ports=servers.database_ports,
        simulator_port=ports.simulator,
        ingress_port=ports.ingresses[0],
        notices_api_port=ports.notices[0],
        messages_per_second=messages_per_second,
        newsroom_port=next(iter(ports.newsrooms), 0),
        archive_port=next(iter(ports.archives), 0),
        county_file=county,
    )


def _build_addresses(servers: StackServers, stack: StackEnvironment, ports: Ports) -> StackAddresses:
    control_token = _read_secret(stack.secrets, "simulator/simulator_control_token")
    monitor = f"kreisfunk_monitor:{quote(_read_secret(stack.secrets, 'monitor/kreisfunk_database_password'))}"
    ingress_urls = [f"http://{LOOPBACK}:{port}" for port in ports.ingresses]
    return StackAddresses(
        simulator_url=stack.simulator_url,
        phones_url=f"{stack.simulator_url}/#{control_token}",
        control_token=control_token,
        ingress_url=ingress_urls[0],
        ingress_urls=ingress_urls,
        notices_api_url=stack.notices_api_url,
        newsroom_url=stack.newsroom_url,
        archive_url=stack.archive_url,
        metrics_urls={**ports.metrics_urls, **servers.server_metrics_urls},
        broker_url=servers.admin_broker_url,
        broker_api_url=servers.rabbitmq.api_url,
        database_url=servers.owner_database_url,
        monitor_database_url=stack.build_database_url(monitor),
        processes=build_process_environments(stack, ports.internal),
        **build_command_environments(stack),
    )


def _read_secret(secrets: Path, file: str) -> str:
    return (secrets / file).read_text().strip()
