"""Batches, replies and status updates to work with, and what the ledger makes of them."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Batch, Claim
from services.dispatcher.domain.content import build_template_body
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.domain.status_updates import StatusUpdate
from shared.contracts.dispatch import (
    BroadcastBatch,
    BroadcastFollowUp,
    PermittedHours,
    Recipient,
    ReplyRequested,
    Template,
    TemplateParameter,
    Withdrawal,
)
from shared.contracts.message import Address, AddressKind, Lane
from tests.factories.ids import generate_id

NUMBER = "700800900100200"
TEMPLATE = Template(name="t", language="de", parameters=(TemplateParameter(name="text", text="Sperrung"),))
PERSON = Address(kind=AddressKind.PHONE, index=b"i" * 16, sealed=b"s" * 40)

STREAM_HAS_PASSED = """
insert into dispatcher.status_stream (number, seen_at, arrived_at, through)
select $1, now() - minutes * interval '1 minute', now() - minutes * interval '1 minute', now()
from unnest(array[10, 20]) minutes
"""
_STATES = """
select state::text, count(*), count(subscriber) from dispatcher.delivery where source = $1 group by state
"""
_COUNTERS = """
select state::text, sum(deliveries) from dispatcher.broadcast_count where broadcast = $1
group by state having sum(deliveries) <> 0
"""
_WAIT = """
insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
    address_sealed, asked_at, expires_at, due_at, waits_for, claim)
select dispatcher.delivery_id(b.id, p.subscriber), b.id, p.subscriber, 1, b.lane, 'waiting', 'phone',
    uuid_send(p.subscriber), '', now(), b.expires_at, now() + $3::interval, $2::text::dispatcher.wait_cause, $4
from dispatcher.broadcast b, (select gen_random_uuid() as subscriber from generate_series(1, $5)) p where b.id = $1
"""
_COUNT_WAITING = """
insert into dispatcher.broadcast_count as n values ($1, 'waiting', 9, $2)
on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
"""
_CAUSES = """
select waits_for, count(*) from dispatcher.delivery where source = $1 and state = 'waiting' group by waits_for
"""
_BACKDATE = """
update dispatcher.delivery set claimed_at = claimed_at - make_interval(secs => $2),
    answer_by = answer_by - make_interval(secs => $2) where id = any($1)
"""


def generate_subscribers(count: int) -> list[UUID]:
    return [generate_id() for _ in range(count)]


def build_batch_message(
    subscribers: Sequence[UUID], *, broadcast: UUID | None = None, expires_in: float = 3600, lane: Lane = Lane.BULK
) -> BroadcastBatch:
    now = datetime.now(UTC)
    return BroadcastBatch(
        broadcast=broadcast or generate_id(),
        notice="n1",
        revision=1,
        topic="strassensperrungen",
        lane=lane,
        template=TEMPLATE,
        published_at=now,
        expires_at=now + timedelta(seconds=expires_in),
        page=0,
        offset=0,
        last=True,
        recipients=tuple(Recipient(subscriber=person, sequence=1, address=PERSON) for person in subscribers),
    )


def find_closed_hours(now: datetime) -> PermittedHours:
    """Return hours of a day that do not include the present."""
    opens, closes = [now + timedelta(hours=hours) for hours in ((2, 3) if now.hour < 21 else (-3, -2))]
    return PermittedHours(opens=opens.time(), closes=closes.time(), zone="UTC")


def build_batch(message: BroadcastBatch) -> Batch:
    return Batch(message, build_template_body(message.template))


def build_reply(withdrawal: Withdrawal | None = None, *, expires_in: float = 3600) -> ReplyRequested:
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    return ReplyRequested(
        reply=generate_id(), recipient=PERSON, text="Guten Tag", expires_at=expires_at, withdrawal=withdrawal
    )


def build_record(claim: Claim, state: DeliveryState, *, seconds: float = 0, attempted: bool = True) -> Record:
    due_at = datetime.now(UTC) + timedelta(seconds=seconds) if state is DeliveryState.WAITING else None
    waits_for = "rate" if due_at else None
    return Record(claim.delivery, claim.number, state, due_at=due_at, waits_for=waits_for, attempted=attempted)


def build_update(delivery: UUID, state: DeliveryState, key: bytes = b"k") -> StatusUpdate:
    return StatusUpdate(delivery, state, key)


def failed(delivery: UUID, key: bytes = b"k", *, attempts: int = 5) -> StatusUpdate:
    """A failure that may pass: the delivery is due again at once."""
    return StatusUpdate(delivery, DeliveryState.FAILED, key, 131000, attempts, (0.0,), "again")


async def claim(ledger: PostgresLedger, message: BroadcastBatch, limit: int = 100) -> list[Claim]:
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    return await ledger.claim_batch(batch, limit)


async def claim_new(ledger: PostgresLedger, count: int = 1) -> tuple[UUID, list[Claim]]:
    """Return a new broadcast to so many, and the claims of all of them."""
    message = build_batch_message(generate_subscribers(count))
    return message.broadcast, await claim(ledger, message)


async def claim_subscribers(ledger: PostgresLedger, count: int = 1) -> list[Claim]:
    return (await claim_new(ledger, count))[1]


async def accept(ledger: PostgresLedger, claims: Sequence[Claim], key: bytes | None = None) -> None:
    await ledger.record([build_record(one, DeliveryState.ACCEPTED)._replace(message_key=key) for one in claims])


async def states(ledger: PostgresLedger, source: UUID) -> Counter[str]:
    """Return how many deliveries are in which state; the counters of a broadcast say the same."""
    rows = [tuple(row) for row in await ledger.database.fetch(_STATES, source)]
    counters = dict([tuple(row) for row in await ledger.database.fetch(_COUNTERS, source)])
    assert counters == {state: count for state, _, count in rows if count}
    return Counter({state: number for state, number, _ in rows})


async def waits_for(ledger: PostgresLedger, source: UUID) -> dict[str | None, int]:
    rows = await ledger.database.fetch(_CAUSES, source)
    return {row["waits_for"]: row["count"] for row in rows}


async def add_waiting(
    owner: asyncpg.Connection, source: UUID, cause: str, count: int, after: timedelta | None, claims: int = 0
) -> None:
    """Add recipients who wait, as claims would have left them, and are due `after` so long."""
    await owner.execute(_WAIT, source, cause, after, claims, count)
    await owner.execute(_COUNT_WAITING, source, count)


async def limit(ledger: PostgresLedger, *, people: int | None = None, messages: int | None = None) -> None:
    await PostgresRateLimiter(ledger.database, NUMBER, 100, people, messages).set_up()


async def backdate(ledger: PostgresLedger, *claims: Claim, seconds: float = 100) -> None:
    await ledger.database.fetchval(_BACKDATE, [one.delivery for one in claims], seconds)


def follow_up(*follows: UUID, expires_in: float = 3600) -> BroadcastFollowUp:
    now = datetime.now(UTC)
    return BroadcastFollowUp(
        broadcast=generate_id(),
        notice="n2",
        revision=1,
        topic="strassensperrungen",
        lane=Lane.URGENT,
        template=TEMPLATE,
        published_at=now,
        expires_at=now + timedelta(seconds=expires_in),
        follows=follows,
    )


async def begin(ledger: PostgresLedger, message: BroadcastFollowUp) -> UUID:
    await ledger.begin_follow_up(message, build_template_body(message.template))
    return message.broadcast


async def follow(ledger: PostgresLedger, most: int = 100) -> None:
    while await ledger.extend_follow_up(most):
        pass


async def read_audience(ledger: PostgresLedger, broadcast: UUID) -> int | None:
    number: int | None = await ledger.database.fetchval(
        "select audience from dispatcher.broadcast where id = $1", broadcast
    )
    return number


async def next_pass(ledger: PostgresLedger, times: int = 1) -> None:
    """Follow without waiting for it."""
    for _ in range(times):
        await ledger.database.fetchval("update dispatcher.follow_up set look_at = now()")
        await follow(ledger)


async def deliver_next_pass(ledger: PostgresLedger, lane: Lane = Lane.URGENT) -> None:
    await next_pass(ledger)
    await accept(ledger, await ledger.claim_due(lane, 10))


def find_monday(moment: datetime) -> datetime:
    return (moment - timedelta(days=moment.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


async def add_week(owner: asyncpg.Connection, monday: datetime) -> str:
    """Add the partition of a week, and return its name."""
    name = f"delivery_{monday:%Y%m%d}"
    await owner.execute(f"""
        create table dispatcher.{name} partition of dispatcher.delivery for values
        from (dispatcher.lowest_id('{monday.isoformat()}'))
        to (dispatcher.lowest_id('{(monday + timedelta(days=7)).isoformat()}'))""")
    return name
