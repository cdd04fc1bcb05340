"""Parts `load` and `replicated`: the whole system at a number's highest rate; citizens write, statuses come back."""

import asyncio
import statistics
from argparse import Namespace
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg
import psutil
from rich.progress import track

from benchmarks.dispatch.harness import LATENCY_SECONDS
from benchmarks.dispatch.peers.common import TEXT
from benchmarks.dispatch.rate import find_worst_second
from benchmarks.harness import LOCAL, Table
from benchmarks.system.readings import Reading, take_reading
from cli.output import console
from cli.progress import wait_for
from cli.publish.events import build_event
from deploy.local.stack import Stack, run_stack, start_servers
from shared.contracts.notices import NoticePublished
from shared.database.pool import connect
from shared.runtime.clock import system_clock
from simulator.client import AcceptedMessage, SimulatorClient, open_simulator_client
from tests.amqp_system import build_amqp_system
from tests.replicas.servers import start_replicated_servers

TOPIC, QUESTION = "strassensperrungen", "Welche Themen gibt es?"
START_PER_SECOND = 500.0
WARM_UP_SECONDS = LAST_ANSWERS_SECONDS = 5
PATIENCE_SECONDS = 60.0
POLL_INTERVAL_SECONDS = 0.5
VALIDITY = timedelta(hours=12)
# A rate is held if this share of the permitted one is used; else the next attempt is this share of the rate reached.
HELD_PERCENT, NEXT_SHARE, ATTEMPTS = 99.0, 0.9, 3
RATE, USED = "messages a second", "of what is permitted, %"
_READ = """
select 100 * avg((state = 'read')::int) from dispatcher.delivery
where claimed_at between to_timestamp($1) and to_timestamp($2)
"""

Figures = Mapping[str, Mapping[str, float]]


async def find_held_rate(options: Namespace, *, replicated: bool) -> None:
    """Measure at the requested rate and, until one is held, at lower ones; print each."""
    attempts: list[Figures] = []
    while len(attempts) < ATTEMPTS and (not attempts or attempts[-1]["system"][USED] < HELD_PERCENT):
        rate = int(attempts[-1]["system"][RATE] * NEXT_SHARE) if attempts else options.rate
        attempts.append(await _measure(options, rate, replicated=replicated))
        servers = "three brokers, two synchronous standbys" if replicated else "one broker, one database"
        _print(attempts[-1], f"At most {rate:,} messages a second; {servers}")


async def _measure(options: Namespace, rate: int, *, replicated: bool) -> Figures:
    # Without Meta's limits, which would reject messages that this machine delays and that then arrive together.
    no_limits = {"SIMULATOR_MESSAGES_PER_SECOND": str(10 * rate), "SIMULATOR_PAIR_INTERVAL_SECONDS": "0"}
    async with (
        run_stack(
            LOCAL / "benchmark-system",
            dispatchers=options.dispatchers,
            messages_per_second=rate,
            fresh=True,
            settings={"simulator": no_limits},
            start=start_replicated_servers if replicated else start_servers,
            progress=lambda step: console.print(f"- {step}", markup=False),
        ) as stack,
        open_simulator_client(stack.simulator_url, stack.control_token) as simulator,
    ):
        owner = await connect(stack.database_url)
        try:
            await simulator.set_faults({"read_share": 1, "latency_seconds": LATENCY_SECONDS})
            before, after = await _run_load(options, stack, simulator, owner)
            await asyncio.sleep(LAST_ANSWERS_SECONDS)
            return await _compute_figures(before, after, simulator, owner)
        finally:
            await owner.close()


async def _run_load(
    options: Namespace, stack: Stack, simulator: SimulatorClient, owner: asyncpg.Connection
) -> tuple[Reading, Reading]:
    """Subscribe everybody, let them write during broadcasts, and return the readings at the start and at the end."""
    everybody = await simulator.add_citizens(options.citizens, bsuid_only=0)
    await simulator.send_text(everybody, "Start", per_second=START_PER_SECOND)
    await wait_for("welcomed", len(everybody), simulator.count_accepted, patience=PATIENCE_SECONDS)
    async with asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(_publish(stack, simulator, len(everybody)))
        turns = options.writing * (WARM_UP_SECONDS + options.seconds + LAST_ANSWERS_SECONDS)
        writers = [everybody[turn % len(everybody)] for turn in range(turns)]
        await simulator.send_text(writers, QUESTION, per_second=options.writing)
        await asyncio.sleep(WARM_UP_SECONDS)
        before = await take_reading(stack, owner)
        for _ in track(range(options.seconds), "measuring", console=console, disable=not console.is_terminal):
            await asyncio.sleep(1)
        after = await take_reading(stack, owner)
        publishing.cancel()
    return before, after


async def _publish(stack: Stack, simulator: SimulatorClient, audience: int) -> None:
    """Publish until cancelled; the next broadcast is always known before the present one is complete."""
    system = build_amqp_system(stack.publisher)
    for number in count():
        notice, now = NoticePublished(topic=TOPIC, headline=f"Sperrung {number}", text=TEXT), system_clock()
        event = build_event(notice, f"load-{number}", system.source, now, now + VALIDITY)
        await system.publish(event)
        # The welcome messages count as the first broadcast.
        while await simulator.count_accepted() < (number + 1) * audience:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def _compute_figures(
    before: Reading, after: Reading, simulator: SimulatorClient, owner: asyncpg.Connection
) -> Figures:
    outbound, inbound = await simulator.fetch_outbound(), await simulator.fetch_inbound()
    if len({message.delivery for message in outbound}) < len(outbound):
        raise SystemExit("something was sent twice")
    moments = sorted(message.accepted_at for message in outbound)
    within = moments[bisect_left(moments, before.at) : bisect_left(moments, after.at)]
    sent, seconds = len(within), after.at - before.at
    waits = [wait for moment, wait in _match_replies(inbound, outbound) if before.at <= moment < after.at]
    percentiles = statistics.quantiles((wait for wait in waits if wait is not None), n=100)
    permitted = seconds * await owner.fetchval("select permitted from dispatcher.read_limits()")
    unused = {reason: slots - before.unused.get(reason, 0) for reason, slots in after.unused.items()}
    system = {
        "seconds": seconds,
        "permitted a second": permitted / seconds,
        RATE: sent / seconds,
        USED: 100 * sent / permitted,
        "most in any second": find_worst_second(within),
        "read by the ledger's account, %": float(await owner.fetchval(_READ, before.at, after.at)),
        "citizens' messages a second": len(waits) / seconds,
        "answered after, 50 %, ms": 1000 * percentiles[49],
        "answered after, 99 %, ms": 1000 * percentiles[98],
        "not answered": waits.count(None),
        "WAL bytes per delivery": (after.wal - before.wal) / sent,
        "processors busy, %": 100 - 100 * (after.idle - before.idle) / seconds / (psutil.cpu_count() or 1),
        **{f"slots unused: {reason}, %": 100 * slots / permitted for reason, slots in unused.items()},
    }
    processor = {kind: usage.processor - before.kinds[kind].processor for kind, usage in after.kinds.items()}
    kinds = {
        kind: {
            "processes": usage.processes,
            "CPU ms per delivery": processor[kind] / sent * 1000,
            "cores": processor[kind] / seconds,
            "MiB": usage.memory / 2**20,
        }
        for kind, usage in after.kinds.items()
    }
    return {"system": system, **kinds}


def _match_replies(
    inbound: Sequence[Mapping[str, Any]], outbound: Sequence[AcceptedMessage]
) -> Iterator[tuple[float, float | None]]:
    """Yield the time of each message and the seconds until its reply; a citizen gets replies in order."""
    replies = defaultdict[int, deque[float]](deque)
    for message in outbound:
        if not message.template:
            replies[message.citizen].append(message.accepted_at)
    for question in inbound:
        own = replies[question["citizen"]]
        yield question["written_at"], own.popleft() - question["written_at"] if own else None


def _print(figures: Figures, title: str) -> None:
    table = Table(title)
    for name, value in figures["system"].items():
        table.add({"": name, "measured": value})
    processes = Table("Processes")
    for kind, usage in figures.items():
        if kind != "system":
            processes.add({"kind": kind, **usage})
