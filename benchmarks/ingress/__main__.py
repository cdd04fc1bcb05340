"""Compare the ingress with HTTP alone and with one confirmed publish for each webhook."""

import argparse
import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.harness import (
    Table,
    compute_median,
    compute_ratio,
    leave_tested_core,
    measure_usage,
    run_rounds,
)
from benchmarks.ingress.harness import STORING, TITLES, IngressHarness, build_requests, open_ingress_harness
from benchmarks.load import Tally, run_closed_loop, run_open_loop

WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class IngressSample:
    """One measurement of a server at one number of connections; times in seconds."""

    rate: float
    processor: float
    p99: float
    events_per_message: float


async def measure_throughput(harness: IngressHarness, options: argparse.Namespace) -> None:
    """Measure webhooks per second of each server while every connection is kept busy."""
    for statuses in options.statuses:
        table = Table(f"One process on one core, {statuses} status(es) a webhook, median of {options.rounds}")
        for connections in options.connections:
            cases = {
                name: partial(_measure_sample, name, harness, connections, statuses, options.seconds)
                for name in options.servers
            }
            rounds = await run_rounds(options.rounds, cases)
            for name, samples in rounds.items():
                table.add({"connections": str(connections), "server": TITLES[name], **_summarize(samples, rounds)})


async def _measure_sample(
    name: str, harness: IngressHarness, connections: int, statuses: int, seconds: float
) -> IngressSample:
    """Measure one round; fail if an event of an answered webhook is not in the queue."""
    webhooks = build_requests(harness.secret, statuses)
    async with harness.run_server(name) as (port, child):
        warm = await run_closed_loop(port, webhooks, connections=connections, seconds=WARM_UP_SECONDS)
        before = measure_usage(child).processor
        tally = await run_closed_loop(port, webhooks, connections=connections, seconds=seconds)
        processor = (measure_usage(child).processor - before) / max(tally.answered, 1)
    events, messages = await harness.drain()
    _require_stored(name, (warm.answered + tally.answered) * statuses, events)
    if tally.refused:
        raise SystemExit(f"{name}: {tally.refused} refused")
    per_message = events / messages if messages else 0
    return IngressSample(tally.answered / seconds, processor, tally.compute_percentile(0.99), per_message)


def _require_stored(name: str, answered: int, stored: int) -> None:
    if name in STORING and stored < answered:
        raise SystemExit(f"{name}: {answered} events answered, {stored} stored")


def _summarize(
    samples: Sequence[IngressSample], rounds: Mapping[str, Sequence[IngressSample]]
) -> dict[str, str | float]:
    def compare(other: str, figure: Callable[[IngressSample], float]) -> str | float:
        return compute_ratio(samples, rounds[other], figure) if other in rounds else "–"

    per_message = compute_median(samples, lambda sample: sample.events_per_message)
    return {
        "webhooks/s": compute_median(samples, lambda sample: sample.rate),
        "of bare": compare("bare", lambda sample: sample.rate),
        "of dry": compare("dry", lambda sample: sample.rate),
        "of each": compare("each", lambda sample: sample.rate),
        "CPU µs": compute_median(samples, lambda sample: sample.processor) * 1e6,
        "CPU of dry": compare("dry", lambda sample: sample.processor),
        "p99 ms": compute_median(samples, lambda sample: sample.p99) * 1000,
        "events per message": per_message or "–",
    }


async def measure_latency(harness: IngressHarness, options: argparse.Namespace) -> None:
    """Measure the time to the answer at a fixed rate of webhooks with one status each."""
    table = Table(f"{options.rate} webhooks a second by the clock, median of {options.rounds} (longest: of all)")
    cases = {name: partial(_measure_tally, name, harness, options) for name in options.servers}
    for name, tallies in (await run_rounds(options.rounds, cases)).items():
        table.add(
            {
                "server": TITLES[name],
                "median ms": 1000 * compute_median(tallies, lambda tally: tally.compute_percentile(0.5)),
                "95 %": 1000 * compute_median(tallies, lambda tally: tally.compute_percentile(0.95)),
                "99 %": 1000 * compute_median(tallies, lambda tally: tally.compute_percentile(0.99)),
                "longest": 1000 * max(max(tally.times) for tally in tallies),
                "answers other than 200": sum(tally.refused for tally in tallies),
            }
        )


async def _measure_tally(name: str, harness: IngressHarness, options: argparse.Namespace) -> Tally:
    """Measure one round; fail if an event of an answered webhook is not in the queue."""
    webhooks = build_requests(harness.secret, statuses=1)
    async with harness.run_server(name) as (port, _):
        warm = await run_open_loop(port, webhooks, rate=options.rate, seconds=WARM_UP_SECONDS)
        tally = await run_open_loop(port, webhooks, rate=options.rate, seconds=options.open_seconds)
    events, _ = await harness.drain()
    _require_stored(name, warm.answered + tally.answered, events)
    return tally


PARTS = {"throughput": measure_throughput, "latency": measure_latency}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingress", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--servers", choices=TITLES, nargs="+", default=TITLES, help="only these")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case, in turn; medians count")
    group = parser.add_argument_group("throughput")
    group.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    group.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    group.add_argument("--statuses", type=int, nargs="+", default=[1, 10, 100], help="statuses in each webhook")
    group = parser.add_argument_group("latency")
    group.add_argument("--rate", type=int, default=1000, help="webhooks a second, whatever comes back")
    group.add_argument("--open-seconds", type=float, default=10.0, help="length of each measurement")
    return parser.parse_args()


async def main() -> None:
    options = parse_arguments()
    leave_tested_core()  # the servers inherit it
    async with open_ingress_harness() as harness:
        for name in options.part or PARTS:
            await PARTS[name](harness, options)


if __name__ == "__main__":
    asyncio.run(main())
