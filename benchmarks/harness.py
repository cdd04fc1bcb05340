"""Parts of all benchmarks: cores, processes, servers, the peers' Python environments, and tables."""

import asyncio
import filecmp
import os
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import asyncpg
import psutil

from deploy.local.environments import StackEnvironment, build_process_environment
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command, is_port_open, read_log_tail, run_to_end, wait_until_ready
from deploy.local.services import READY_TIMEOUT_SECONDS, Service, build_migration_command
from deploy.local.stack import StackServers, start_servers
from deploy.paths import ROOT
from deploy.secrets import create_secrets

LOCAL = ROOT / ".local"
CORES = sorted(os.sched_getaffinity(0))
TESTED_CORE, OTHER_CORE = CORES[0], CORES[-1]
STOP_TIMEOUT_SECONDS = 5


def leave_tested_core() -> None:
    """Keep this process and its children off the tested core, unless the machine has only one."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, set(CORES) - {TESTED_CORE})


@dataclass(frozen=True)
class Usage:
    """Processor seconds so far and resident bytes now, of a process and its descendants."""

    processor: float
    memory: int


def measure_usage(child: Child) -> Usage:
    """Measure a process; end the benchmark if it has ended."""
    if child.pid is None:
        raise SystemExit(f"{child.name} ended.{read_log_tail(child.command.log)}")
    processor, memory = 0.0, 0
    for process in (parent := psutil.Process(child.pid), *parent.children(recursive=True)):
        times = process.cpu_times()
        processor += times.user + times.system
        memory += process.memory_info().rss
    return Usage(processor, memory)


def build_command(
    name: str,
    arguments: Iterable[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    core: int | None = None,
    python: str = sys.executable,
) -> Command:
    """Return the command `python -m …`, to run in the repository, pinned to `core` if given."""
    pin = () if core is None else ("taskset", "--cpu-list", str(core))
    return Command(
        name=name,
        arguments=(*pin, python, "-m", *arguments),
        log=folder / f"{name}.log",
        environment={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **(environment or {})},
        folder=ROOT,
    )


@asynccontextmanager
async def run_process(command: Command, *, port: int | None = None) -> AsyncIterator[Child]:
    """Run a process and stop it at the end; yield it once it listens on `port`, if it has one."""
    child = Child(command)
    await child.start()
    pid = child.pid or 0
    try:
        if port is not None:
            await wait_until_ready(child, lambda: is_port_open(LOOPBACK, port), seconds=READY_TIMEOUT_SECONDS)
        yield child
    finally:
        await child.stop(STOP_TIMEOUT_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # not every process pool ends with its parent


@dataclass(frozen=True, kw_only=True)
class BenchmarkServers:
    """Migrated servers, and the folder for everything else; `owner` is a connection of the database's owner."""

    folder: Path
    servers: StackServers
    stack: StackEnvironment
    owner: asyncpg.Connection = field(repr=False)

    @property
    def broker_url(self) -> str:
        """URL with the administrator's login."""
        return self.servers.admin_broker_url

    def read_secret(self, file: str) -> str:
        return (self.stack.secrets / file).read_text()

    @asynccontextmanager
    async def run_service(
        self, kind: str, settings: Mapping[str, str], *, core: int | None = None, number: int = 1
    ) -> AsyncIterator[Service]:
        """Run one of our services in the environment of a local stack; yield it once it is ready."""
        with reserve_ports(1) as (port,):
            environment = {**build_process_environment(kind, self.stack, internal_port=port), **settings}
            command = build_command(f"{kind}-{number}", (f"services.{kind}",), self.folder, environment, core=core)
            service = Service(command, f"http://{LOOPBACK}:{port}/readyz")
            try:
                await service.start()
                yield service
            finally:
                await service.stop()


@asynccontextmanager
async def run_servers() -> AsyncIterator[BenchmarkServers]:
    """Run PostgreSQL and RabbitMQ in a temporary folder, with schemas, topology and logins."""
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="kreisfunk-benchmark-")))
        secrets = folder / "secrets"
        create_secrets(secrets)
        database_password = (secrets / "admin" / "kreisfunk_database_password").read_text()
        broker_password = (secrets / "admin" / "kreisfunk_broker_password").read_text()
        servers = await start_servers(resources, folder, database_password, broker_password, print)
        stack = StackEnvironment(
            inherited={"PATH": os.environ["PATH"]},
            secrets=secrets,
            broker_ports=servers.broker_ports,
            broker_api_port=servers.rabbitmq.api_port,
            database_ports=servers.database_ports,
        )
        await run_to_end(build_migration_command(stack, folder))
        owner = await asyncpg.connect(servers.owner_database_url, command_timeout=600)
        resources.push_async_callback(owner.close)
        yield BenchmarkServers(folder=folder, servers=servers, stack=stack, owner=owner)


async def prepare_python(name: str, requirements: Path) -> str:
    """Return the interpreter of the environment `.local/name`; recreate it if the requirements have changed."""
    folder = LOCAL / name
    python, mark = str(folder / "bin" / "python"), folder / "requirements.txt"
    if not mark.exists() or not filecmp.cmp(mark, requirements, shallow=False):
        await _run(sys.executable, "-m", "venv", "--clear", str(folder))
        await _run(python, "-m", "pip", "install", "--quiet", "--requirement", str(requirements))
        shutil.copyfile(requirements, mark)
    return python


async def _run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit(f"{' '.join(arguments)} failed")


T = TypeVar("T")


async def run_rounds(rounds: int, cases: Mapping[str, Callable[[], Awaitable[T]]]) -> dict[str, list[T]]:
    """Measure all cases in turn, as the machine's speed changes; return the samples of each."""
    samples: dict[str, list[T]] = {title: [] for title in cases}
    for number in range(rounds):
        for title, measure in cases.items():
            print(f"round {number + 1}: {title}", file=sys.stderr, flush=True)
            samples[title].append(await measure())
    return samples


def compute_median(samples: Sequence[T], figure: Callable[[T], float]) -> float:
    return statistics.median(map(figure, samples))


def compute_ratio(samples: Sequence[T], others: Sequence[T], figure: Callable[[T], float]) -> float:
    """Return the median ratio of measurements of the same round."""
    return statistics.median(figure(sample) / figure(other) for sample, other in zip(samples, others, strict=True))


Row = Mapping[str, str | float]


@dataclass
class Table:
    """A Markdown table, printed row by row, since a run takes minutes; the names in the first row are its header."""

    title: str
    is_begun: bool = False

    def add(self, row: Row) -> None:
        if not self.is_begun:
            print(f"\n### {self.title}\n")
            _print_cells(row)
            _print_cells(["---", *["---:"] * (len(row) - 1)])
        self.is_begun = True
        _print_cells(map(format_figure, row.values()))


def format_figure(value: str | float) -> str:
    """Return text unchanged, integers in full, and other numbers with at least three digits."""
    if isinstance(value, str):
        return value
    size = abs(value)
    decimals = 0 if isinstance(value, int) or size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{value:,.{decimals}f}"


def _print_cells(cells: Iterable[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)
