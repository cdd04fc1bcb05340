"""What waits for a limit, a pause or the end of its week costs nothing until that is over."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from cli.operate import ledger as operate
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import build_progress_event, requeue_waiting
from shared.contracts.dispatch import BroadcastBatch, PermittedHours, Withdrawal
from shared.contracts.events import BroadcastProgressed
from shared.contracts.ids import delivery_id, make_timed_id
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.integration.dispatcher.factories import build_batch_message, build_record, generate_subscribers, news
from tests.integration.dispatcher.test_ledger import claim, counted, states
from tests.integration.dispatcher.test_limits import different_people, limit, waits_for

WAITING = 20_000


async def many_waiting(owner: asyncpg.Connection, message: BroadcastBatch, cause: str, due: datetime | None) -> None:
    """Rows of this broadcast that wait, as claims would have left them."""
    await owner.execute(
        """
        insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
            address_sealed, asked_at, expires_at, due_at, waits_for)
        select (left($1::uuid::text, 13) || '-8' || substr(md5(n::text), 1, 3) || '-8' || substr(md5(n::text), 4, 3)
                || '-' || lpad(to_hex(n), 12, '0'))::uuid,
            $1, gen_random_uuid(), 1, 'bulk', 'waiting', 'phone', sha256(n::text::bytea), '', now(),
            now() + interval '1 day', $4, $3::dispatcher.wait_cause
        from generate_series(1, $2) as n
        """,
        message.broadcast,
        WAITING,
        cause,
        due,
    )
    await owner.execute(
        "insert into dispatcher.broadcast_count values ($1, 'waiting', 9, $2)", message.broadcast, WAITING
    )


async def test_who_waits_for_people_is_no_candidate_and_is_not_rewritten(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    await limit(pool, people=1)
    reached = different_people(build_batch_message(generate_subscribers(1)))
    (one,) = await claim(ledger, reached)
    crowd = different_people(build_batch_message(generate_subscribers(1)))
    await claim(ledger, crowd)
    await many_waiting(owner, crowd, "people", None)
    await owner.execute("analyze dispatcher.delivery")
    before = await owner.fetch("select id, xmin::text from dispatcher.delivery where source = $1", crowd.broadcast)
    await ledger.record([build_record(one, DeliveryState.WAITING)])
    assert [again.delivery for again in await ledger.claim_due(Lane.BULK, 8)] == [one.delivery]
    assert await ledger.claim_due(Lane.BULK, 8) == []
    for _ in range(3):
        await requeue_waiting(ledger)
    after = await owner.fetch("select id, xmin::text from dispatcher.delivery where source = $1", crowd.broadcast)
    assert sorted(map(tuple, before)) == sorted(map(tuple, after))


async def test_as_many_are_woken_as_there_is_room_for(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    await limit(pool, people=1)
    crowd = different_people(build_batch_message(generate_subscribers(1)))
    await claim(ledger, crowd)
    await many_waiting(owner, crowd, "people", None)
    await limit(pool, people=51)
    for _ in range(3):
        await requeue_waiting(ledger)
    due = await owner.fetchval("select count(*) from dispatcher.delivery where due_at <= now()")
    assert due == 50
    claims = [one for _ in range(8) for one in await ledger.claim_due(Lane.BULK, 8)]
    await requeue_waiting(ledger)
    assert len(claims) == 50
    assert await waits_for(pool, crowd) == {"people": WAITING - 50}


async def test_what_is_due_but_has_no_room_is_parked_at_once(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    await limit(pool, people=1)
    crowd = different_people(build_batch_message(generate_subscribers(1)))
    await claim(ledger, crowd)
    await many_waiting(owner, crowd, "rate", datetime.now(UTC) - timedelta(minutes=1))
    await requeue_waiting(ledger)
    assert await waits_for(pool, crowd) == {"people": WAITING}


async def test_what_was_woken_outside_the_hours_waits_for_the_opening(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    closed = PermittedHours(
        opens=(now + timedelta(hours=2)).time(), closes=(now + timedelta(hours=3)).time(), zone="UTC"
    )
    if closed.opens > closed.closes:
        closed = PermittedHours(
            opens=(now - timedelta(hours=3)).time(), closes=(now - timedelta(hours=2)).time(), zone="UTC"
        )
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(1)), hours=closed)
    await claim(ledger, message)
    await many_waiting(owner, message, "rate", now - timedelta(minutes=1))
    await requeue_waiting(ledger)
    assert await waits_for(pool, message) == {"hours": WAITING + 1}
    assert await ledger.claim_due(Lane.BULK, 8) == []


async def test_who_has_stopped_waits_for_no_turn_and_is_counted_once(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    people = generate_subscribers(10)
    message = msgspec.structs.replace(build_batch_message(people), spacing_seconds=3600.0)
    for person in people[1:4]:
        await ledger.withdraw(Withdrawal(subscriber=person, sequence=1))
    await claim(ledger, message)
    expected = {"claimed": 1, "suppressed": 3, "waiting": 6}
    assert await counted(pool, message.broadcast) == await states(pool, message.broadcast) == expected
    # Time goes by until everybody has had a turn.
    await owner.execute("update dispatcher.delivery set due_at = now() where due_at is not null")
    await owner.execute("update dispatcher.broadcast set spacing = null")
    while await ledger.claim_due(Lane.BULK, 4):
        pass
    await requeue_waiting(ledger)
    expected = {"claimed": 7, "suppressed": 3}
    assert await counted(pool, message.broadcast) == await states(pool, message.broadcast) == expected


async def test_those_behind_who_must_not_get_it_any_more_are_claimed_at_once(ledger: PostgresLedger) -> None:
    gone, there = (build_batch_message(generate_subscribers(count)) for count in (40, 5))
    for message in (gone, there):
        await ledger.record([build_record(one, DeliveryState.WAITING) for one in await claim(ledger, message)])
    for recipient in gone.recipients:
        await ledger.withdraw(Withdrawal(subscriber=recipient.subscriber, sequence=recipient.sequence + 1))
    found = await ledger.claim_due(Lane.BULK, 10)
    assert {one.delivery for one in found} == {delivery_id(there.broadcast, one.subscriber) for one in there.recipients}


@pytest.mark.parametrize("cause", ["cancelled", "expired"])
async def test_what_has_ended_waits_for_nothing(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection, cause: str
) -> None:
    message = build_batch_message(generate_subscribers(3), expires_in=-1 if cause == "expired" else 3600)
    await ledger.register(message, {})
    await owner.execute("update dispatcher.broadcast set paused_reason = 'a test'")
    if cause == "cancelled":
        await ledger.cancel(message.broadcast, "withdrawn")
    assert await claim(ledger, message) == []
    await owner.execute("update dispatcher.broadcast set paused_reason = null")
    await requeue_waiting(ledger)
    assert await ledger.claim_due(Lane.BULK, 4) == []
    assert await counted(pool, message.broadcast) == await states(pool, message.broadcast) == {cause: 3}


async def test_the_budget_counts_a_message_once_however_often_it_is_claimed(ledger: PostgresLedger, pool: Pool) -> None:
    await limit(pool, messages=2)
    message = build_batch_message(generate_subscribers(1))
    (one,) = await claim(ledger, message)
    for _ in range(9):
        await ledger.record([build_record(one, DeliveryState.WAITING, attempted=False)])
        (one,) = await ledger.claim_due(Lane.BULK, 1)
    async with pool.connection() as connection:
        assert await connection.fetchval("select sum(messages)::int from dispatcher.sent_month") == 1
    assert len(await claim(ledger, build_batch_message(generate_subscribers(1)))) == 1


async def test_a_replica_that_gets_a_batch_again_counts_nobody_again(ledger: PostgresLedger, pool: Pool) -> None:
    await limit(pool, people=5, messages=5)
    message = different_people(build_batch_message(generate_subscribers(5)))
    assert [len(await claim(ledger, message)) for _ in range(3)] == [5, 0, 0]
    async with pool.connection() as connection:
        assert await connection.fetchval("select sum(messages)::int from dispatcher.sent_month") == 5
        assert await connection.fetchval("select sum(people)::int from dispatcher.reached_minute") == 5


async def test_an_outcome_that_nothing_can_settle_does_not_keep_its_broadcast_for_ever(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(2))
    lost, sent = await claim(ledger, message)
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN), build_record(sent, DeliveryState.ACCEPTED)])
    assert [one.finished for one in await ledger.collect_progress(60)] == [False]
    await owner.execute(
        "update dispatcher.broadcast set expires_at = now() - interval '59 s', progressed_at = now() - interval '2 s'"
    )
    assert [one.finished for one in await ledger.collect_progress(60)] == []
    await owner.execute(
        "update dispatcher.broadcast set expires_at = now() - interval '61 s', progressed_at = now() - interval '2 s'"
    )
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.states[DeliveryState.UNKNOWN]) == (True, 1)
    await ledger.finish(message.broadcast)
    await ledger.apply_statuses([news(lost.delivery, DeliveryState.DELIVERED)])
    assert await counted(pool, message.broadcast) == {"accepted": 1, "delivered": 1}
    course = await ledger.get_progress(message.broadcast)
    assert course is not None
    assert course.finished


@pytest.mark.parametrize("last", [False, True])
async def test_a_cancellation_that_stopped_pages_ends_with_those_that_came(
    ledger: PostgresLedger, owner: asyncpg.Connection, last: bool
) -> None:
    """The second page came, the first was dropped."""
    came = msgspec.structs.replace(build_batch_message(generate_subscribers(2)), page=1, offset=100, last=last)
    claims = await claim(ledger, came)
    await ledger.cancel(came.broadcast, "withdrawn")
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in claims])
    assert [one.finished for one in await ledger.collect_progress(60)] == [False]
    await owner.execute("update dispatcher.cancellation set cancelled_at = now() - interval '11 minutes'")
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '2 minutes'")
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.audience, progress.states) == (True, 2, {DeliveryState.ACCEPTED: 2})
    await ledger.finish(came.broadcast)
    outstanding = await ledger.read_backlog()
    assert (outstanding.unaccounted, outstanding.waiting[Lane.BULK]) == (0, 0)
    assert await ledger.collect_progress(60) == []
    shown = await operate.fetch_one(owner, came.broadcast)
    assert shown is not None
    assert (shown.books.audience, shown.books.complete, shown.books.unaccounted) == (2, True, 0)


async def test_progress_says_who_waits_for_metas_limit_for_one_person(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(4))
    sent, turn, *limited = await claim(ledger, message)
    waiting = [build_record(one, DeliveryState.WAITING, seconds=60)._replace(waits_for="pair") for one in limited]
    await ledger.record(
        [build_record(sent, DeliveryState.ACCEPTED), build_record(turn, DeliveryState.WAITING, seconds=60), *waiting]
    )
    (progress,) = await ledger.collect_progress(60)
    assert (progress.states[DeliveryState.WAITING], progress.person_limited) == (3, 2)
    event = build_progress_event(progress)
    assert isinstance(event, BroadcastProgressed)
    assert event.person_limited == 2


async def test_progress_that_has_not_changed_is_told_once_a_minute(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(2))
    claims = await claim(ledger, message)
    assert len(await ledger.collect_progress(60)) == 1
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '30 s'")
    assert await ledger.collect_progress(60) == []
    await ledger.record([build_record(claims[0], DeliveryState.ACCEPTED)])
    assert len(await ledger.collect_progress(60)) == 1
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '61 s'")
    assert len(await ledger.collect_progress(60)) == 1


def week_of(moment: datetime) -> datetime:
    monday = moment - timedelta(days=moment.weekday())
    return monday.replace(hour=0, minute=0, second=0, microsecond=0)


async def test_a_week_that_comes_takes_over_what_was_dated_ahead(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """A message dated weeks ahead lies in the default partition; then its week gets a partition of its own."""
    week = week_of(datetime.now(UTC)) + timedelta(weeks=4)
    strays = [make_timed_id(week + timedelta(days=day), uuid4().bytes) for day in (0, 3, 6)]
    name = f"delivery_{week:%Y%m%d}"
    await owner.execute(f"drop table dispatcher.{name}")
    await owner.executemany(_STRAY, [(stray,) for stray in strays])
    assert await place(owner, strays[0]) == "delivery_other"
    assert await ledger.ensure_partitions()
    assert {await place(owner, stray) for stray in strays} == {name}


_STRAY = """
insert into dispatcher.delivery (id, source, lane, state, claim, address_kind, address_index, address_sealed, asked_at,
    expires_at)
values ($1, $1, 'reply', 'accepted', 1, 'phone', '', '', now(), now())
"""


async def place(owner: asyncpg.Connection, delivery: UUID) -> str:
    name: str = await owner.fetchval("select tableoid::regclass::text from dispatcher.delivery where id = $1", delivery)
    return name.removeprefix("dispatcher.")


async def test_while_a_backup_reads_partitions_are_neither_made_nor_dropped_and_nobody_waits(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    week = week_of(datetime.now(UTC))
    newest, oldest = week + timedelta(weeks=4), week - timedelta(weeks=2)
    await owner.execute(f"drop table dispatcher.delivery_{newest:%Y%m%d}")
    backup = await asyncpg.connect(database.url)
    reading = backup.transaction()
    await reading.start()
    await backup.execute("lock table dispatcher.delivery in access share mode")

    async def drop() -> int:
        async with pool.connection() as connection:
            dropped: int = await connection.fetchval("select dispatcher.drop_old_partitions(14)")
            return dropped

    message = build_batch_message(generate_subscribers(100))
    made, dropped, claims = await asyncio.gather(ledger.ensure_partitions(), drop(), claim(ledger, message))
    assert (made, dropped, len(claims)) == (False, 0, 100)
    await reading.rollback()
    await backup.close()
    assert await ledger.ensure_partitions()
    assert await drop() == 1
    assert await owner.fetchval("select to_regclass($1)", f"dispatcher.delivery_{oldest:%Y%m%d}") is None


async def test_what_still_waits_when_its_week_goes_has_expired(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    """A notice may be valid for a year, but addresses are kept for 90 days."""
    published = week_of(datetime.now(UTC)) - timedelta(weeks=2)
    message = build_batch_message(
        generate_subscribers(3), broadcast=make_timed_id(published, b"long ago"), expires_in=366 * 86_400
    )
    claims = await claim(ledger, message)
    await ledger.record([build_record(one, DeliveryState.WAITING, seconds=86_400 * 30) for one in claims])
    async with pool.connection() as connection:
        assert await connection.fetchval("select dispatcher.drop_old_partitions(14)") == 0, "something waits in it"
        assert await connection.fetchval("select dispatcher.end_old_waiting('14 days', 2)") == 2
        assert await connection.fetchval("select dispatcher.end_old_waiting('14 days', 2)") == 1
        assert await connection.fetchval("select dispatcher.drop_old_partitions(14)") == 1
    assert await states(pool, message.broadcast) == {}
    assert await counted(pool, message.broadcast) == {"expired": 3}
    assert [progress.finished for progress in await ledger.collect_progress(60)] == [True]
