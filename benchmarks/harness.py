"""Parts of all benchmarks: cores, processes, servers, the peers' Python environments, and tables."""

import asyncio
import filecmp
import os
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aio_pika
import asyncpg
import psutil

from cli.migrate.database import locate_migrations
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import PostgresServer, run_postgres
from deploy.local.process import Child, Command, enter_both, is_port_open, read_log_tail, wait_until_ready
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from deploy.local.services import READY_TIMEOUT_SECONDS, Service
from deploy.paths import ROOT
from shared.amqp import topology
from shared.database.migrations import migrate

LOCAL = ROOT / ".local"
PASSWORD = "only-for-benchmarks"  # noqa: S105
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


@asynccontextmanager
async def run_service(
    module: str, environment: Mapping[str, str], folder: Path, *, core: int | None = None, name: str = "service"
) -> AsyncIterator[Service]:
    """Run one of our services; yield it once it is ready."""
    with reserve_ports(1) as (port,):
        environment = {**environment, "KREISFUNK_INTERNAL_PORT": str(port)}
        command = build_command(name, (module,), folder, environment, core=core)
        service = Service(command, f"http://{LOOPBACK}:{port}/readyz")
        try:
            await service.start()
            yield service
        finally:
            await service.stop()


@dataclass(frozen=True, kw_only=True)
class BenchmarkServers:
    """The servers of a run, and the folder for everything else; `owner` is a connection of the database's owner."""

    folder: Path
    postgres: PostgresServer
    owner: asyncpg.Connection
    broker: RabbitServer

    async def enable_login(self, role: str) -> str:
        """Let a role log in; return its URL, with the password."""
        await self.owner.execute(f"alter role {role} login password '{PASSWORD}'")
        return f"postgresql://{role}:{PASSWORD}@{self.postgres.url.rpartition('@')[2]}"

    async def add_broker_login(self, name: str, configure: str, write: str, read: str) -> str:
        """Create a login with these permissions and PASSWORD; return its URL, without the password."""
        await self.broker.run_rabbitmqctl("add_user", name, PASSWORD)
        await self.broker.run_rabbitmqctl("set_permissions", name, configure, write, read)
        return f"amqp://{name}@{self.broker.url.rpartition('@')[2]}"


@asynccontextmanager
async def run_servers(*schemas: str) -> AsyncIterator[BenchmarkServers]:
    """Run PostgreSQL with these schemas, and RabbitMQ with our topology, in a temporary folder."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kreisfunk-benchmark-")))
        os.chmod(folder, 0o711)  # noqa: S103 (PostgreSQL's user has to traverse it)
        postgres, broker = await enter_both(
            stack,
            run_postgres(folder / "postgres", secrets.token_hex(16)),
            run_rabbitmq(folder / "rabbitmq", secrets.token_hex(16), print),
        )
        async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
            await topology.declare(channel)
        owner = await asyncpg.connect(postgres.url, command_timeout=600)
        stack.push_async_callback(owner.close)
        for schema in schemas:
            await migrate(owner, schema, locate_migrations(schema))
        yield BenchmarkServers(folder=folder, postgres=postgres, owner=owner, broker=broker)


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
