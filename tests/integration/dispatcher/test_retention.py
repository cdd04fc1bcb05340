"""Retention of the dispatcher: which rows are purged, when, and in which steps."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from annotated_types import Ge
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.ledger_claims import SUPPRESS
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.retention import REACHED_RETENTION, REPLY_ADDRESS_RETENTION, build_retention_rules
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.settings import Settings
from shared.contracts.ids import make_timed_id
from shared.database import retention
from shared.database.pool import Database as Pool
from shared.database.retention import RetentionRule, purge
from tests.databases import wait_until_locked
from tests.integration.dispatcher.factories import (
    add_week,
    build_batch_message,
    build_record,
    claim,
    claim_subscribers,
    find_monday,
    generate_subscribers,
)

RETENTION_DAYS = 90
NOW = datetime.now(UTC)
REPLY = """
    insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed, asked_at,
        expires_at, claimed_at, waits_for)
    values ($1, $1, 'reply', $2, 'phone', $3, 'sealed', now(), now(), now() - $4::interval,
        case when $2 = 'waiting'::dispatcher.delivery_state then 'rate'::dispatcher.wait_cause end)
"""
STRAY = """
insert into dispatcher.delivery (id, source, lane, state, claim, address_kind, address_index, address_sealed, asked_at,
    expires_at)
values ($1, $1, 'reply', 'accepted', 1, 'phone', '', '', now(), now())
"""
SECOND = timedelta(seconds=1)
LOCKED_SECONDS = 4.0  # waiting for a lock ends after five
# How a row of a moment is made, and how long it is kept.
TABLES = {
    "reached": (
        "reached (minute, subscriber) values ($1, dispatcher.lowest_id(to_timestamp($2::int)))",
        REACHED_RETENTION,
    ),
    "reached_minute": (
        "reached_minute (minute, people) values ($1::timestamptz - $2::int * interval '1 ms', 1)",
        REACHED_RETENTION,
    ),
    "status_stream": (
        "status_stream (number, through, seen_at) values ($2::int::text, $1, $1)",
        timedelta(days=1),
    ),
    "unreachable": (
        "unreachable (replica, number, reason, since, said_at) values ($2::int::text, '1', 'refused', $1, $1)",
        timedelta(days=1),
    ),
    "refusal": (
        "refusal (delivery, subscriber, code, told_at) values (gen_random_uuid(), gen_random_uuid(), $2::int, $1)",
        timedelta(days=RETENTION_DAYS),
    ),
    "suppression": (
        "suppression (subscriber, topic, sequence, suppressed_at) values (gen_random_uuid(), '', $2::int, $1)",
        timedelta(days=RETENTION_DAYS + 14),
    ),
}


async def purge_all(pool: Pool, registry: CollectorRegistry) -> None:
    await Metrics(registry, limit=80).retention.run(pool, build_retention_rules(RETENTION_DAYS))


def read_deleted_rows(registry: CollectorRegistry) -> dict[str, float]:
    counted = {
        kind: registry.get_sample_value("kreisfunk_dispatcher_retention_deleted_rows_total", {"kind": kind})
        for kind in build_retention_rules(RETENTION_DAYS)
    }
    return {kind: rows for kind, rows in counted.items() if rows}


async def test_weeks_are_dropped_before_anything_in_them_is_older_than_promised(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """The week that began 90 days ago or just before goes, the one after it stays."""
    long_ago = find_monday(datetime.now(UTC) - timedelta(days=RETENTION_DAYS))
    old, young = [await add_week(owner, monday) for monday in (long_ago, long_ago + timedelta(days=7))]
    registry = CollectorRegistry()
    await purge_all(ledger.database, registry)
    weeks = {row[0] for row in await owner.fetch("select relname from pg_class where relname ~ '^delivery_[0-9]{8}$'")}
    assert old not in weeks
    assert young in weeks
    assert len(weeks) >= 6
    assert read_deleted_rows(registry) == {"deliveries_week": 1}


async def test_the_shortest_setting_drops_no_week_that_is_made_beforehand(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    (shortest,) = [each.ge for each in Settings.model_fields["retention_days"].metadata if isinstance(each, Ge)]
    weeks = "select relname from pg_class where relname ~ '^delivery_[0-9]{8}$' order by 1"
    before = await owner.fetch(weeks)
    assert await owner.fetchval("select dispatcher.drop_old_partitions($1)", shortest) == 0
    await owner.execute("select dispatcher.ensure_partitions()")
    assert await owner.fetch(weeks) == before


async def test_what_lies_in_no_week_goes_by_when_it_was_claimed(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """A message whose clock said 1971, and one of 2071."""
    max_age = timedelta(days=RETENTION_DAYS)
    for year in (1971, 2071):
        for name, age in (("old", max_age + SECOND), ("young", max_age - 60 * SECOND)):
            identifier = make_timed_id(datetime(year, 1, 1, tzinfo=UTC), name.encode())
            await owner.execute(REPLY, identifier, "read", name.encode(), age)
    registry = CollectorRegistry()
    await purge_all(ledger.database, registry)
    left = await owner.fetch("select extract(day from now() - claimed_at)::int from dispatcher.delivery")
    assert [row[0] for row in left] == [RETENTION_DAYS - 1] * 2
    assert read_deleted_rows(registry) == {"stray_delivery": 2, "reply_address": 2}


async def test_a_reply_that_has_left_forgets_its_address_after_a_day(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    ages = {"old": REPLY_ADDRESS_RETENTION + SECOND, "young": REPLY_ADDRESS_RETENTION - 60 * SECOND}
    for name, age in ages.items():
        for state in ("read", "waiting"):
            await owner.execute(REPLY, make_timed_id(NOW, name.encode(), state.encode()), state, name.encode(), age)
    registry = CollectorRegistry()
    await purge_all(ledger.database, registry)
    left = await owner.fetch("select address_index, state::text from dispatcher.delivery where address_sealed <> ''")
    assert {tuple(row) for row in left} == {(b"old", "waiting"), (b"young", "read"), (b"young", "waiting")}
    assert await owner.fetchval("select count(*) from dispatcher.delivery") == 4
    assert read_deleted_rows(registry) == {"reply_address": 1}


async def test_everything_else_goes_in_small_steps_and_not_too_soon(
    ledger: PostgresLedger, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five rows of each that are too old by a second, and one that is not."""
    for statement, max_age in TABLES.values():
        for number in range(6):
            age = max_age + SECOND if number else max_age - timedelta(minutes=5)
            await owner.execute(f"insert into dispatcher.{statement}", datetime.now(UTC) - age, number)
    rules, steps = build_retention_rules(RETENTION_DAYS), list[tuple[RetentionRule, int]]()

    async def note(database: Pool, rule: RetentionRule) -> int:
        steps.append((rule, await purge(database, rule)))
        return steps[-1][1]

    monkeypatch.setattr(retention, "MAX_PURGED_ROWS", 2)
    monkeypatch.setattr(retention, "purge", note)
    registry = CollectorRegistry()
    await purge_all(ledger.database, registry)
    assert Counter(rule for rule, rows in steps if rows) == {rules[kind]: 3 for kind in TABLES}
    assert max(rows for _, rows in steps) == 2
    for table in TABLES:
        assert await owner.fetchval(f"select count(*) from dispatcher.{table}") == 1, table  # noqa: S608
    for table, (_, max_age) in TABLES.items():
        seconds_old = registry.get_sample_value("kreisfunk_dispatcher_retention_oldest_age_seconds", {"kind": table})
        assert seconds_old is not None
        assert timedelta(0) < max_age - timedelta(seconds=seconds_old) < timedelta(minutes=6)
    assert registry.get_sample_value("kreisfunk_dispatcher_retention_oldest_age_seconds", {"kind": "deliveries_week"})


async def test_a_stop_that_is_stored_while_the_one_before_is_purged_stays(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    statement, max_age = TABLES["suppression"]
    await owner.execute(f"insert into dispatcher.{statement}", datetime.now(UTC) - max_age - SECOND, 2)
    subscriber = await owner.fetchval("select subscriber from dispatcher.suppression")
    async with owner.transaction():
        await owner.execute(SUPPRESS, [subscriber], [""], [5])
        purging = asyncio.create_task(purge_all(ledger.database, CollectorRegistry()))
        await wait_until_locked(ledger.database)
    await purging
    assert await owner.fetchval("select sequence from dispatcher.suppression") == 5


async def test_a_week_that_comes_takes_over_what_was_dated_ahead(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """A message dated weeks ahead lies in the default partition; then its week gets a partition of its own."""
    week = find_monday(datetime.now(UTC)) + timedelta(weeks=4)
    strays = [make_timed_id(week + timedelta(days=day), uuid4().bytes) for day in (0, 3, 6)]
    name = f"delivery_{week:%Y%m%d}"
    await owner.execute(f"drop table dispatcher.{name}")
    await owner.executemany(STRAY, [(stray,) for stray in strays])
    assert await read_partition(owner, strays[0]) == "delivery_other"
    assert await ledger.ensure_partitions()
    assert {await read_partition(owner, stray) for stray in strays} == {name}


async def read_partition(owner: asyncpg.Connection, delivery: UUID) -> str:
    name: str = await owner.fetchval("select tableoid::regclass::text from dispatcher.delivery where id = $1", delivery)
    return name.removeprefix("dispatcher.")


async def test_while_a_backup_reads_partitions_are_neither_made_nor_dropped_and_nobody_waits(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    week = find_monday(datetime.now(UTC))
    newest, oldest = week + timedelta(weeks=4), week - timedelta(weeks=2)
    await owner.execute(f"drop table dispatcher.delivery_{newest:%Y%m%d}")
    drop = "select dispatcher.drop_old_partitions(14)"
    async with owner.transaction():
        await owner.execute("lock table dispatcher.delivery in access share mode")
        async with asyncio.timeout(LOCKED_SECONDS):
            # One after the other, since only one of them runs at a time.
            made, claims = await asyncio.gather(ledger.ensure_partitions(), claim_subscribers(ledger, 50))
            dropped, later = await asyncio.gather(ledger.database.fetchval(drop), claim_subscribers(ledger, 50))
        assert (made, dropped, len(claims), len(later)) == (False, 0, 50, 50)
    assert await ledger.ensure_partitions()
    assert await ledger.database.fetchval(drop) == 1
    assert await owner.fetchval("select to_regclass($1)", f"dispatcher.delivery_{oldest:%Y%m%d}") is None


async def test_what_still_waits_when_its_week_goes_has_expired(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """A notice may be valid for a year, but addresses are kept for 90 days."""
    published = find_monday(datetime.now(UTC)) - timedelta(weeks=2)
    message = build_batch_message(
        generate_subscribers(3), broadcast=make_timed_id(published, b"long ago"), expires_in=366 * 86_400
    )
    claims = await claim(ledger, message)
    await ledger.record([build_record(one, DeliveryState.WAITING, seconds=86_400 * 30) for one in claims])
    assert await ledger.database.fetchval("select dispatcher.drop_old_partitions(14)") == 0, "something waits in it"
    assert await ledger.database.fetchval("select dispatcher.end_old_waiting('14 days', 2)") == 2
    assert await ledger.database.fetchval("select dispatcher.end_old_waiting('14 days', 2)") == 1
    assert await ledger.database.fetchval("select dispatcher.drop_old_partitions(14)") == 1
    assert await owner.fetchval("select count(*) from dispatcher.delivery") == 0
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.states) == (True, {DeliveryState.EXPIRED: 3})
