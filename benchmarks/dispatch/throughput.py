"""Part `throughput`: one process on one core at full speed, beside the limit and the peers."""

import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import table
from benchmarks.dispatch.factories import build_addresses, build_batches, feed_in_background, open_feeder
from benchmarks.dispatch.harness import (
    CONNECTIONS,
    LATENCY_SECONDS,
    WARM_UP_SECONDS,
    DispatchHarness,
    DispatchSample,
    Options,
    measure_busy,
)
from benchmarks.dispatch.replica import NUMBER_ID, run_replica
from benchmarks.environment import prepare_python
from benchmarks.machine import OTHER_CORE, TESTED_CORE, build_command, run_process
from deploy.local.process import run_to_end

# 200 connections can send 4,000 a second if an answer takes 50 ms, so this rate does not limit.
MESSAGES_PER_SECOND = 6000
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
LIMIT, OURS = "bare aiohttp loop (the limit)", "Kreisfunk dispatcher"
PATH = f"v26.0/{NUMBER_ID}/messages"


@dataclass(frozen=True)
class Peer:
    """A peer's worker; `prepared` is the number of messages per second of measurement to queue beforehand."""

    title: str
    module: str
    worker: tuple[str, ...]
    prepared: int


_TASKIQ = ("taskiq", "worker", "--workers", "1", "--log-level", "WARNING")
_CELERY = ("celery", "-A", "benchmarks.dispatch.peers.with_celery", "worker", "-l", "WARNING", "--without-mingle")
PEERS: Sequence[Peer] = (
    Peer(
        "taskiq + aiohttp",
        "with_taskiq",
        (*_TASKIQ, "--max-async-tasks", str(CONNECTIONS), "benchmarks.dispatch.peers.with_taskiq:broker"),
        4000,
    ),
    Peer("FastStream + aiohttp", "with_faststream", ("benchmarks.dispatch.peers.with_faststream", "run"), 4000),
    Peer("Celery, 200 threads + httpx", "with_celery", (*_CELERY, "-P", "threads", "-c", str(CONNECTIONS)), 2500),
    Peer("Celery, 64 processes + httpx", "with_celery", (*_CELERY, "-P", "prefork", "-c", "64"), 1500),
    Peer(
        "dramatiq, 200 threads + httpx",
        "with_dramatiq",
        ("dramatiq", "--processes", "1", "--threads", str(CONNECTIONS), "benchmarks.dispatch.peers.with_dramatiq"),
        2500,
    ),
)
Case = Callable[[], Awaitable[DispatchSample]]


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the table and return its figures."""
    cases = _select_cases(_build_cases(harness, options, await prepare_python("benchmark-venv", REQUIREMENTS)), options)
    rounds: dict[str, list[DispatchSample]] = {title: [] for title in cases}
    for _ in range(options.rounds):
        for title, case in cases.items():
            rounds[title].append(await case())
            print(f"{title}: {rounds[title][-1].rate:,.0f}/s", file=sys.stderr, flush=True)
    return _print(rounds, options)


def _build_cases(harness: DispatchHarness, options: Options, python: Path) -> dict[str, Case]:
    def of_peer(peer: Peer) -> Case:
        return lambda: _measure_peer(harness, options.seconds, peer, python)

    return {
        LIMIT: lambda: _measure_bare(harness, options.seconds),
        OURS: lambda: _measure_ours(harness, options.seconds),
        **{peer.title: of_peer(peer) for peer in PEERS},
    }


def _select_cases(cases: dict[str, Case], options: Options) -> dict[str, Case]:
    """Drop the peers unless requested; without them a run takes seconds instead of minutes."""
    return {title: case for title, case in cases.items() if options.peers or title in (LIMIT, OURS)}


async def _measure_bare(harness: DispatchHarness, seconds: float) -> DispatchSample:
    async with harness.start_endpoint(LATENCY_SECONDS) as endpoint:
        arguments = (sys.executable, "-m", "benchmarks.dispatch.bare", f"{endpoint.url}/{PATH}", str(CONNECTIONS))
        async with run_process(build_command("bare", arguments, harness.folder / "bare.log", {}, TESTED_CORE)) as child:
            return await measure_busy(endpoint, child, seconds)


async def _measure_ours(harness: DispatchHarness, seconds: float) -> DispatchSample:
    async with (
        harness.start_endpoint(LATENCY_SECONDS) as endpoint,
        open_feeder(harness.broker.url) as publisher,
        run_replica(harness, endpoint.url, messages_per_second=MESSAGES_PER_SECOND, core=TESTED_CORE) as ours,
        feed_in_background(publisher, build_batches(build_addresses(harness))),
    ):
        measured = await measure_busy(endpoint, ours, seconds)
        if await endpoint.count_repeated():
            raise SystemExit("the dispatcher sent something twice")
        return measured


async def _measure_peer(harness: DispatchHarness, seconds: float, peer: Peer, python: Path) -> DispatchSample:
    async with harness.start_endpoint(LATENCY_SECONDS) as endpoint, harness.create_vhost() as broker_url:
        environment = {
            "BENCHMARK_BROKER_URL": broker_url,
            "BENCHMARK_ENDPOINT_URL": f"{endpoint.url}/{PATH}",
            "BENCHMARK_IN_FLIGHT": str(CONNECTIONS),
        }
        log = harness.folder / f"{peer.module}.log"
        prepared = CONNECTIONS + int(peer.prepared * (seconds + 2 * WARM_UP_SECONDS))
        fill = (str(python), "-m", f"benchmarks.dispatch.peers.{peer.module}", str(prepared))
        await run_to_end(build_command("filling", fill, log, environment, OTHER_CORE))
        worker = build_command("worker", (str(python), "-m", *peer.worker), log, environment, TESTED_CORE)
        async with run_process(worker) as child:
            measured = await measure_busy(endpoint, child, seconds)
            if await endpoint.count() >= prepared:
                raise SystemExit(f"{peer.title}: its queue ran dry")
            return measured


def _print(rounds: Mapping[str, Sequence[DispatchSample]], options: Options) -> object:
    table.print_header(
        f"Throughput: one process on one core, {CONNECTIONS} connections, {LATENCY_SECONDS * 1000:.0f} ms endpoint, "
        f"median of {options.rounds}",
        ("case", "sends/s", "of the limit", "CPU s per 1,000", "CPU of the limit", "MiB"),
    )
    limit = next(iter(rounds.values()))
    figures = {title: _summarize(these, limit) for title, these in rounds.items()}
    for title, it in figures.items():
        table.print_row(
            (
                title,
                f"{it['rate']:,.0f}",
                f"{it['rate_ratio']:.2f}",
                f"{it['processor']:.3f}",
                f"{it['processor_ratio']:.2f}",
                f"{it['mebibytes']:.0f}",
            )
        )
    return figures


def _summarize(these: Sequence[DispatchSample], limit: Sequence[DispatchSample]) -> dict[str, float]:
    """Return medians; ratios compare measurements of the same round, as the machine's speed changes."""
    pairs = list(zip(these, limit, strict=True))
    return {
        "rate": statistics.median(it.rate for it in these),
        "rate_ratio": statistics.median(it.rate / other.rate for it, other in pairs),
        "processor": statistics.median(it.processor for it in these),
        "processor_ratio": statistics.median(it.processor / other.processor for it, other in pairs),
        "mebibytes": statistics.median(it.memory for it in these) / 2**20,
    }
