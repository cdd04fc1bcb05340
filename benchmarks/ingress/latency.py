"""Latency of answers at a fixed rate of webhooks with one status each."""

import argparse
import statistics

from benchmarks import table
from benchmarks.ingress.harness import STORING, TITLES, IngressHarness, run_server
from benchmarks.ingress.load import Tally
from benchmarks.ingress.open_loop import run_open_loop
from benchmarks.ingress.queue import drain
from benchmarks.ingress.webhooks import build_requests

WARM_UP_SECONDS = 1.0


async def measure_latency(harness: IngressHarness, options: argparse.Namespace) -> None:
    table.print_header(
        f"{options.rate} webhooks a second by the clock, median of {options.rounds} (longest: of all)",
        ("server", "median ms", "95 %", "99 %", "longest", "answers other than 200"),
    )
    rounds: dict[str, list[Tally]] = {name: [] for name in options.servers}
    for _ in range(options.rounds):
        for name in options.servers:
            rounds[name].append(await _measure(name, harness, options))
    for name in options.servers:
        print_row(name, rounds[name])


async def _measure(name: str, harness: IngressHarness, options: argparse.Namespace) -> Tally:
    """Measure one round; fail if an event of an answered webhook is not in the queue."""
    webhooks = build_requests(harness.secret, statuses=1)
    async with run_server(name, harness) as (port, _):
        warm = await run_open_loop(port, webhooks, rate=options.rate, seconds=WARM_UP_SECONDS)
        tally = await run_open_loop(port, webhooks, rate=options.rate, seconds=options.open_seconds)
    events, _ = await drain(harness.broker_url)
    if name in STORING and events < warm.answered + tally.answered:
        raise SystemExit(f"{name}: {warm.answered + tally.answered} events answered, {events} stored")
    return tally


def print_row(name: str, rounds: list[Tally]) -> None:
    shares = (statistics.median(it.compute_percentile(share) for it in rounds) for share in (0.5, 0.95, 0.99))
    longest = max(max(it.times) for it in rounds)
    figures = (f"{seconds * 1000:.1f}" for seconds in (*shares, longest))
    table.print_row((TITLES[name], *figures, str(sum(it.refused for it in rounds))))
