"""Webhooks per second of each server while every connection is kept busy."""

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import table
from benchmarks.ingress.harness import STORING, TITLES, IngressHarness, run_server
from benchmarks.ingress.load import load
from benchmarks.ingress.queue import drain
from benchmarks.ingress.webhooks import build_requests
from benchmarks.machine import measure_usage, require_pid

WARM_UP_SECONDS = 1.0
COLUMNS = (
    *("connections", "server", "webhooks/s", "of bare", "of dry", "of each"),
    *("CPU µs", "of dry", "p99 ms", "events per message"),
)


@dataclass(frozen=True)
class IngressSample:
    """One measurement of a server at one number of connections."""

    rate: float
    processor: float
    p99: float
    events_per_message: float


async def measure(
    name: str, harness: IngressHarness, connections: int, statuses: int, options: argparse.Namespace
) -> IngressSample:
    """Measure one round; fail if an event of an answered webhook is not in the queue."""
    webhooks = build_requests(harness.secret, statuses)
    async with run_server(name, harness) as (port, child):
        warm = await load(port, webhooks, connections=connections, seconds=WARM_UP_SECONDS)
        before = measure_usage(require_pid(child)).processor
        tally = await load(port, webhooks, connections=connections, seconds=options.seconds)
        processor = (measure_usage(require_pid(child)).processor - before) / max(tally.answered, 1)
    events, messages = await drain(harness.broker_url)
    answered = (warm.answered + tally.answered) * statuses
    if tally.refused or (name in STORING and events < answered):
        raise SystemExit(f"{name}: {tally.refused} refused, {answered} events answered, {events} stored")
    rate = tally.answered / options.seconds
    return IngressSample(rate, processor, tally.compute_percentile(0.99), events / messages if messages else 0)


async def measure_throughput(harness: IngressHarness, options: argparse.Namespace) -> None:
    for statuses in options.statuses:
        table.print_header(
            f"One process on one core, {statuses} status(es) a webhook, median of {options.rounds}",
            COLUMNS,
        )
        for connections in options.connections:
            print_rows(connections, await _run_rounds(harness, connections, statuses, options))


async def _run_rounds(
    harness: IngressHarness, connections: int, statuses: int, options: argparse.Namespace
) -> dict[str, list[IngressSample]]:
    """Measure all servers in turn, `options.rounds` times."""
    rounds: dict[str, list[IngressSample]] = {name: [] for name in options.servers}
    for _ in range(options.rounds):
        for name in options.servers:
            rounds[name].append(await measure(name, harness, connections, statuses, options))
    return rounds


def print_rows(connections: int, rounds: Mapping[str, list[IngressSample]]) -> None:
    for name, these in rounds.items():
        rate = statistics.median(it.rate for it in these)
        p99 = statistics.median(it.p99 for it in these) * 1000
        together = statistics.median(it.events_per_message for it in these)
        processor = statistics.median(it.processor for it in these) * 1e6
        rates = (_format_ratio(these, rounds.get(other), lambda it: it.rate) for other in ("bare", "dry", "each"))
        processors = _format_ratio(these, rounds.get("dry"), lambda it: it.processor)
        last = f"{p99:.1f}", f"{together:.1f}" if together else "–"
        table.print_row((str(connections), TITLES[name], f"{rate:,.0f}", *rates, f"{processor:.0f}", processors, *last))


def _format_ratio(
    these: list[IngressSample], those: list[IngressSample] | None, figure: Callable[[IngressSample], float]
) -> str:
    """Format the median ratio of measurements of the same round, since the machine's speed changes between rounds."""
    if those is None:
        return "–"
    return f"{statistics.median(figure(this) / figure(that) for this, that in zip(these, those, strict=True)):.2f}"
