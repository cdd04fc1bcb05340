"""Part `ledger`: speed of claims, statuses and retention in a small ledger and in one with ten million rows."""

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry
from rich.progress import track

from benchmarks.dispatch.harness import DispatchHarness, open_harness
from benchmarks.dispatch.ledger import run_statements
from benchmarks.harness import Table
from cli.output import console
from services.dispatcher.adapters.retention import build_retention_rules
from shared.contracts.retention import MAX_DELIVERY_RETENTION_DAYS
from shared.database.pool import open_database
from shared.database.retention import Retention, purge

ROWS_PER_BROADCAST = 10_000
ROUNDS, DELIVERIES = 5, 20_000
# Old enough for one of the two weeks; in production it is the week before the retention time.
OLD_DAYS = 14

# Half of the broadcasts are of this week, where claims go; the others are of the oldest week. All messages were read.
_FILL = """
insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
    address_sealed, asked_at, expires_at, claimed_at, message_key)
select (left(source::text, 14) || '8' || substr(hash, 1, 3) || '-a' || substr(hash, 4, 3) || '-' || substr(hash, 7, 12))
    ::uuid, source, hash::uuid, 1, 'bulk', 'read', 'phone', decode(hash, 'hex'), decode(repeat('0a', 44), 'hex'),
    moment, moment + interval '1 day', moment, decode(hash, 'hex')
from (select date_trunc('week', now()) - $1 % 2 * interval '2 weeks' + $1 * interval '1 minute' as moment) as week,
    lateral (select dispatcher.lowest_id(moment) as source) as broadcast,
    generate_series(1, $2) as recipient, lateral (select md5($1 || '-' || recipient) as hash) as hashed
"""
_PAGES = "select blks_hit + blks_read from pg_stat_database where datname = current_database()"


async def run(sizes: Sequence[int]) -> None:
    """Print the figures of each size; each ledger has its own servers."""
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(open_harness()) for _ in sizes]
        for ledger, rows in zip(ledgers, sizes, strict=True):
            await _fill(ledger, rows)
        # In turn, as the machine's speed changes.
        rounds = [[await _measure_statements(ledger) for ledger in ledgers] for _ in range(ROUNDS)]
        figures = {
            name: [statistics.median(figure[name] for figure in size) for size in zip(*rounds, strict=True)]
            for name in rounds[0][0]
        }
        retention = [await _measure_retention(ledger) for ledger in ledgers]
        figures |= {name: [figure[name] for figure in retention] for name in retention[0]}
    table, columns = Table("Ledger"), [f"{rows:,} rows" for rows in sizes]
    for name, values in figures.items():
        table.add({"": name, **dict(zip(columns, values, strict=True)), "last / first": values[-1] / values[0]})


async def _fill(harness: DispatchHarness, rows: int) -> None:
    owner = harness.servers.owner
    await owner.execute("select dispatcher.ensure_partitions()")
    broadcasts = range(rows // ROWS_PER_BROADCAST)
    for number in track(broadcasts, "filling", console=console, disable=not console.is_terminal):
        await owner.execute(_FILL, number, ROWS_PER_BROADCAST)
    await owner.execute("vacuum analyze dispatcher.delivery")
    await owner.execute("checkpoint")


async def _measure_statements(harness: DispatchHarness) -> Mapping[str, float]:
    """Measure speeds, and the pages that the server read, which do not depend on the machine's other work."""
    owner = harness.servers.owner
    before = await owner.fetchval(_PAGES)
    speeds = {f"{name}, rows/s": rate for name, rate in (await run_statements(harness, DELIVERIES)).items()}
    return {**speeds, "pages read per delivery": (await owner.fetchval(_PAGES) - before) / DELIVERIES}


async def _measure_retention(harness: DispatchHarness) -> Mapping[str, float]:
    """Measure a round without expired rows, as most are, and a step that drops a week with half of the rows."""
    rules, week = build_retention_rules(MAX_DELIVERY_RETENTION_DAYS), build_retention_rules(OLD_DAYS)["deliveries_week"]
    async with open_database(harness.database_url, password=None, name="benchmark", size=1) as database:
        started = time.monotonic()
        await Retention("benchmark", CollectorRegistry()).run(database, rules)
        purged = time.monotonic()
        if not await purge(database, week):
            raise SystemExit("no week was dropped")
        dropped = time.monotonic()
    return {"retention finds nothing, ms": 1000 * (purged - started), "drop of a week, ms": 1000 * (dropped - purged)}
