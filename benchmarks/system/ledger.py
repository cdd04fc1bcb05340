"""Part `ledger`: speed of claims, statuses and retention in a small ledger and in one with ten million rows."""

import statistics
import time
from collections.abc import Mapping

import asyncpg
from rich.progress import track

from benchmarks.dispatch import table
from benchmarks.dispatch.harness import DispatchHarness, open_harness
from benchmarks.dispatch.ledger import run_statements
from cli.output import console
from services.dispatcher.adapters.retention import build_retention_rules
from shared.contracts.retention import MAX_DELIVERY_RETENTION_DAYS
from shared.database.pool import Database, open_database
from shared.database.retention import Retention, purge

ROWS_PER_BROADCAST = 10_000
ROUNDS, DELIVERIES = 3, 20_000
# One week of two is then old enough; in production it is the week before the retention time.
OLD_DAYS = 14

# Every second broadcast is of this week, where claims go; the others are of the oldest week. All were read.
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


async def run(rows: tuple[int, ...]) -> Mapping[str, list[float]]:
    """Print the table and return its figures, one of each size."""
    figures: dict[str, list[float]] = {}
    async with open_harness() as harness, harness.connect_as_owner() as owner:
        for count in rows:
            for name, value in (await _measure(harness, owner, count)).items():
                figures.setdefault(name, []).append(value)
    table.print_header("Ledger", ("", *(f"{count:,} rows" for count in rows), "last / first"))
    for name, values in figures.items():
        table.print_row((name, *(f"{value:,.1f}" for value in values), f"{values[-1] / values[0]:.2f}"))
    return figures


async def _measure(harness: DispatchHarness, owner: asyncpg.Connection, rows: int) -> Mapping[str, float]:
    await owner.execute("truncate dispatcher.delivery; select dispatcher.ensure_partitions()")
    broadcasts = range(rows // ROWS_PER_BROADCAST)
    for number in track(broadcasts, "filling", console=console, disable=not console.is_terminal):
        await owner.execute(_FILL, number, ROWS_PER_BROADCAST)
    await owner.execute("vacuum analyze dispatcher.delivery")
    await owner.execute("checkpoint")
    rounds = [await run_statements(harness, DELIVERIES) for _ in range(ROUNDS)]
    medians = {f"{name}, rows/s": statistics.median(each[name] for each in rounds) for name in rounds[0]}
    async with open_database(harness.database_url, password=None, name="benchmark", size=1) as database:
        return {**medians, **await _measure_retention(database)}


async def _measure_retention(database: Database) -> Mapping[str, float]:
    """Measure a round that finds nothing, as nearly all do, and one step that drops a week with half of the rows."""
    started = time.monotonic()
    rules = build_retention_rules(MAX_DELIVERY_RETENTION_DAYS)
    await Retention(database=database, rules=rules, on_deleted=lambda kind, rows: None).run()
    looked = time.monotonic()
    week = build_retention_rules(OLD_DAYS)["deliveries_week"]
    if not await purge(database, week):
        raise SystemExit("no week was dropped")
    dropped = time.monotonic()
    return {"retention finds nothing, ms": 1000 * (looked - started), "drop of a week, ms": 1000 * (dropped - looked)}
