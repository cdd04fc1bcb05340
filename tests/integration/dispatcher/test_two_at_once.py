"""Two operations on the ledger at once: as one after the other; one that is cut off: repeated without a difference.

The ledger has deliveries in every state, and the operations are everything that services and operators do to it. The
limits leave one more person and two more messages, for which claims of several kinds compete.
"""

import json
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.recipients import PostgresRecipientRepository
from services.dispatcher.adapters.retention import build_retention_rules
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.content import build_template_body
from services.dispatcher.domain.erasures import Erasure
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.domain.status_updates import StatusUpdate
from shared.contracts.dispatch import BroadcastBatch, Recipient, Withdrawal
from shared.contracts.events import SubscriberErased
from shared.contracts.ids import delivery_id
from shared.contracts.message import Address, AddressKind, Lane
from tests.concurrency import Operation, open_race, read_rows
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import (
    NUMBER,
    STREAM_HAS_PASSED,
    accept,
    begin,
    build_batch,
    build_batch_message,
    build_reply,
    claim,
    follow_up,
    generate_subscribers,
    limit,
)
from tests.servers import connect_to_database

Act = Callable[[PostgresLedger], Awaitable[object]]

# Else the passage of time would be an operation of its own.
_LASTING = "update dispatcher.delivery set answer_by = now() + interval '1 hour' where answer_by is not null"
_OVERDUE = "update dispatcher.delivery set answer_by = now() - interval '1 minute' where id = $1"
_LONG_AGO = """
update dispatcher.delivery set claimed_at = now() - interval '15 minutes', unknown_at = now() - interval '14 minutes'
where id = $1
"""
_AGED = """
update dispatcher.delivery set claimed_at = now() - interval '3 days', expires_at = now() - interval '2 days'
where id = $1
"""
_COUNTS = """
select broadcast, state::text, sum(deliveries) as deliveries from dispatcher.broadcast_count group by broadcast, state
having sum(deliveries) <> 0
"""
_ROWS = """
select source as broadcast, state::text, count(*) as deliveries from dispatcher.delivery where subscriber is not null
group by source, state
"""
_RATE = """
select number, paused_reason, paused_by_operator, people_a_day, messages_a_month, people, messages
from dispatcher.rate, dispatcher.allowance(number)
"""
# What the limits permit is read with the rate; what they count belongs to the minute and the month.
UNCOMPARED = tuple(f"dispatcher.{table}" for table in ("status_stream", "unreachable", "reached_minute", "sent_month"))
# What was published last is only compared with what is to be published next. A cancelled broadcast is sent to nobody,
# paused or not.
_BROADCASTS = """
select (to_jsonb(b) - 'progress') || jsonb_build_object('paused_reason', case when not exists (
    select from dispatcher.cancellation c where c.broadcast = b.id) then b.paused_reason end) as row
from dispatcher.broadcast b
"""


def _build_batch(people: Sequence[UUID]) -> BroadcastBatch:
    message = build_batch_message(people)
    recipients = tuple(Recipient(subscriber=one, sequence=1, address=_build_address(one)) for one in people)
    return msgspec.structs.replace(message, recipients=recipients)


def _build_address(person: UUID) -> Address:
    return Address(kind=AddressKind.PHONE, index=person.bytes, sealed=b"s" * 40)


PEOPLE = generate_subscribers(15)
BROADCAST = _build_batch(PEOPLE[:12])
# A page that came before, with two more recipients.
PAGE = msgspec.structs.replace(BROADCAST, offset=9, recipients=_build_batch(PEOPLE[9:14]).recipients)
LAST_PAGE = msgspec.structs.replace(BROADCAST, offset=14, recipients=_build_batch(PEOPLE[14:]).recipients)
FINISHED = _build_batch(PEOPLE[:3])
FOLLOW_UP = follow_up(BROADCAST.broadcast)
SECOND_FOLLOW_UP = follow_up(BROADCAST.broadcast, FINISHED.broadcast)
REPLIES = [msgspec.structs.replace(build_reply(), recipient=_build_address(PEOPLE[0])) for _ in range(4)]
STOP = Withdrawal(subscriber=PEOPLE[1], sequence=5)
REPLY_TO_STOP = msgspec.structs.replace(build_reply(STOP), recipient=_build_address(PEOPLE[1]))
DELIVERIES = [delivery_id(BROADCAST.broadcast, person) for person in PEOPLE]
FINISHED_DELIVERIES = [delivery_id(FINISHED.broadcast, person) for person in PEOPLE[:3]]
ERASED = SubscriberErased(
    at=datetime.now(UTC), erasure=generate_id(), subscribers=tuple(PEOPLE[1:3]), addresses=(_build_address(PEOPLE[1]),)
)
ERASURE = Erasure(
    id=ERASED.erasure,
    subscribers=PEOPLE[:7],
    indexes=[one.bytes for one in PEOPLE[:7]],
    user_index=None,
    user_sealed=None,
)
CLAIMED, DUE, UNKNOWN, ACCEPTED, FAILED, AGAIN, SENT, LIMITED, REFUSED, FRESH, WITHOUT_KEY, LATER = range(12)


async def fill_ledger(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    """Add a broadcast whose deliveries have the states above, a finished one, a follow-up and replies."""
    past, later = datetime.now(UTC) - timedelta(seconds=5), datetime.now(UTC) + timedelta(hours=2)
    waiting, accepted, failed = DeliveryState.WAITING, DeliveryState.ACCEPTED, DeliveryState.FAILED
    await claim(ledger, BROADCAST)
    await ledger.record(
        [
            Record(DELIVERIES[DUE], 1, waiting, due_at=past, waits_for="rate"),
            Record(DELIVERIES[UNKNOWN], 1, DeliveryState.UNKNOWN),
            Record(DELIVERIES[ACCEPTED], 1, accepted, b"key 3"),
            Record(DELIVERIES[FAILED], 1, failed, b"key 4", 131000, attempted=True),
            Record(DELIVERIES[AGAIN], 1, waiting, due_at=past, waits_for="again", attempted=True),
            Record(DELIVERIES[SENT], 1, accepted, b"key 6"),
            Record(DELIVERIES[LIMITED], 1, waiting, due_at=past, waits_for="people"),
            Record(DELIVERIES[REFUSED], 1, failed, b"key 8", 131026, attempted=True),
            Record(DELIVERIES[WITHOUT_KEY], 1, accepted),
            Record(DELIVERIES[LATER], 1, waiting, due_at=later, waits_for="again", attempted=True),
        ]
    )
    await ledger.apply_statuses([StatusUpdate(DELIVERIES[SENT], DeliveryState.SENT, b"key 6")])
    await accept(ledger, await claim(ledger, FINISHED), b"key")
    await ledger.finish(FINISHED.broadcast)
    await ledger.claim_batch(build_batch(LAST_PAGE), 1, wait=True)
    await begin(ledger, FOLLOW_UP)
    await ledger.extend_follow_up(2)
    await limit(ledger, people=len(BROADCAST.recipients) + 1, messages=2)
    await ledger.claim_replies([(reply, datetime.now(UTC)) for reply in REPLIES])
    replies = [reply.reply for reply in REPLIES]
    await ledger.record(
        [
            Record(replies[0], 1, waiting, due_at=past, waits_for="rate"),
            Record(replies[1], 1, accepted, b"reply"),
            Record(replies[2], 1, DeliveryState.UNKNOWN),
        ]
    )
    await owner.execute(_LASTING)
    await owner.execute(_OVERDUE, DELIVERIES[CLAIMED])
    await owner.execute(_LONG_AGO, DELIVERIES[UNKNOWN])
    await owner.execute(_AGED, replies[1])
    await owner.execute(STREAM_HAS_PASSED, NUMBER)


async def read_ledger(connection: asyncpg.Connection, table: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows without what depends on the moment. The counters of broadcasts equal their rows."""
    if table in UNCOMPARED:
        return []
    if table == "dispatcher.broadcast_count":
        counts, rows = [
            [{**row, "broadcast": str(row["broadcast"])} for row in await connection.fetch(statement)]
            for statement in (_COUNTS, _ROWS)
        ]
        assert sorted(map(str, counts)) == sorted(map(str, rows))
        return counts
    if table == "dispatcher.rate":
        rows = [dict(row) for row in await connection.fetch(_RATE)]
        assert all(row["people"] >= 0 and row["messages"] >= 0 for row in rows), "more than the limits permit"
        return rows
    if table == "dispatcher.broadcast":
        return [json.loads(row["row"]) for row in await connection.fetch(_BROADCASTS)]
    return await read_rows(connection, table)


def build_operations() -> Mapping[str, Operation]:
    """Return everything that changes the ledger, by name."""
    return {**_build_claims(), **_build_results(), **_build_statuses(), **_build_maintenance(), **_build_operators()}


def _change(act: Act, *, repeated: bool = False) -> Operation:
    """Return an operation that only changes rows."""

    async def run(database: Any) -> None:
        await act(PostgresLedger(database, number=NUMBER, slot=3))

    return Operation("kreisfunk_dispatcher", run, repeated)


def _claim(act: Callable[[PostgresLedger], Awaitable[list[Claim]]], *, repeated: bool = False) -> Operation:
    async def run(database: Any) -> None:
        claims = await act(PostgresLedger(database, number=NUMBER, slot=3))
        database.done += [(one.delivery, one.number) for one in claims]

    return Operation("kreisfunk_dispatcher", run, repeated)


def _build_claims() -> dict[str, Operation]:
    return {
        **{
            f"claim due of {lane}": _claim(partial(PostgresLedger.claim_due, lane=lane, limit=20), repeated=True)
            for lane in Lane
        },
        "claim a page again": _claim(lambda ledger: ledger.claim_batch(build_batch(PAGE), 10)),
        "reply to a stop": _claim(lambda ledger: ledger.claim_replies([(REPLY_TO_STOP, datetime.now(UTC))])),
        "begin a follow-up": _change(
            lambda ledger: ledger.begin_follow_up(SECOND_FOLLOW_UP, build_template_body(SECOND_FOLLOW_UP.template))
        ),
        "extend a follow-up": _change(lambda ledger: ledger.extend_follow_up(100), repeated=True),
    }


def _build_results() -> dict[str, Operation]:
    due = datetime.now(UTC) - timedelta(seconds=1)
    build = partial(Record, claim=1, attempted=True)
    return {
        f"record {name} of {number}": _change(partial(PostgresLedger.record, records=[record]))
        for number in (CLAIMED, UNKNOWN, FRESH)
        for name, record in {
            "acceptance": build(DELIVERIES[number], state=DeliveryState.ACCEPTED, message_key=b"result"),
            "failure": build(DELIVERIES[number], state=DeliveryState.FAILED, message_key=b"result", error_code=131026),
            "retry": build(
                DELIVERIES[number], state=DeliveryState.WAITING, error_code=131000, due_at=due, waits_for="again"
            ),
            "no answer": build(DELIVERIES[number], state=DeliveryState.UNKNOWN),
        }.items()
    }


def _build_statuses() -> dict[str, Operation]:
    keys = {CLAIMED: b"key", DUE: b"key", UNKNOWN: b"key", ACCEPTED: b"key 3", FAILED: b"key 4", SENT: b"key 6"}
    rows = {str(number): (DELIVERIES[number], key) for number, key in {**keys, WITHOUT_KEY: b"key"}.items()}
    rows["the finished"] = (FINISHED_DELIVERIES[0], b"key")
    failed = DeliveryState.FAILED
    return {
        f"{name} of {row}": _change(partial(PostgresLedger.apply_statuses, updates=[update]))
        for row, (delivery, key) in rows.items()
        for name, update in {
            "arrival": StatusUpdate(delivery, DeliveryState.DELIVERED, key),
            "failure": StatusUpdate(delivery, failed, key, 131026),
            "failure for now": StatusUpdate(delivery, failed, key, 131000, 5, (0.0,), "again"),
            "failure by template": StatusUpdate(delivery, failed, key, 132001, 5, (0.0,), "template"),
        }.items()
    }


def _build_maintenance() -> dict[str, Operation]:
    async def purge(name: str, database: Any) -> None:
        rule = build_retention_rules(30)[name]
        await database.fetchval(rule.statement, rule.max_age, 100)

    async def register_erasure(database: Any) -> None:
        await PostgresRecipientRepository(database).register_erasure(ERASED)

    async def erase(database: Any) -> None:
        await PostgresRecipientRepository(database).erase(ERASURE)

    rules = ("waiting_delivery", "reply_address", "stray_delivery", "suppression")
    return {
        "withdraw": _change(lambda ledger: ledger.withdraw(STOP)),
        "mark unknown": _change(PostgresLedger.mark_unknown, repeated=True),
        "requeue unknown": _change(lambda ledger: ledger.requeue_unknown(60, 30), repeated=True),
        "requeue waiting": _change(lambda ledger: ledger.requeue_waiting(100), repeated=True),
        "finish": _change(lambda ledger: ledger.finish(BROADCAST.broadcast), repeated=True),
        "finish the finished": _change(lambda ledger: ledger.finish(FINISHED.broadcast), repeated=True),
        "cancel": _change(lambda ledger: ledger.cancel(BROADCAST.broadcast, "cancelled")),
        "pause the template": _change(lambda ledger: ledger.pause_template("t/de", "paused")),
        "pause": _change(lambda ledger: ledger.pause_broadcast(BROADCAST.broadcast, "paused")),
        "pause the finished": _change(lambda ledger: ledger.pause_broadcast(FINISHED.broadcast, "paused")),
        "register an erasure": Operation("kreisfunk_dispatcher", register_erasure),
        "erase": Operation("kreisfunk_dispatcher", erase, repeated=True),
        **{f"purge {name}": Operation("kreisfunk_dispatcher", partial(purge, name), repeated=True) for name in rules},
    }


def _build_operators() -> dict[str, Operation]:
    async def call(statement: str, arguments: Sequence[object], database: Any) -> None:
        await database.fetch(statement, *arguments)

    def build(statement: str, *arguments: object, role: str = "kreisfunk_operator") -> Operation:
        return Operation(role, partial(call, statement, arguments))

    operations = {
        f"settle unknown as {verdict}": build(
            "select dispatcher.settle_unknown(null, $1, $2)", BROADCAST.broadcast, verdict
        )
        for verdict in ("accepted", "failed", "resend")
    }
    for name, broadcast in (("", BROADCAST.broadcast), (" the finished", FINISHED.broadcast)):
        operations |= {
            f"resend missing{name}": build("select dispatcher.resend_missing($1, true)", broadcast),
            f"resend failed{name}": build("select dispatcher.resend_failed($1)", broadcast, role="kreisfunk_newsroom"),
            f"operator pauses{name}": build("select dispatcher.pause_broadcast($1, 'operator')", broadcast),
            f"operator resumes{name}": build("select dispatcher.resume_broadcast($1)", broadcast),
            f"operator cancels{name}": build("select dispatcher.cancel_broadcast($1, 'cancelled')", broadcast),
        }
    return operations


# What is claimed before a cut has an unknown outcome, a follow-up goes on, and operators do not repeat what they did.
NOT_REPEATED = ("claim", "reply", "extend", "operator", "resend", "settle")
COMPETING = ("claim due of urgent", "claim due of bulk", "claim a page again")
PAIRS = int(os.environ.get("KREISFUNK_TEST_PAIRS", "150"))


async def test_two_operations_at_once_leave_what_one_after_the_other_leaves(
    database: FreshDatabase, ledger: PostgresLedger
) -> None:
    async with connect_to_database(database.url) as owner:
        await fill_ledger(ledger, owner)
    operations = build_operations()
    # Each at least once before and once beside another one, and claims beside all that compete with them.
    pairs = list(zip(operations, random.sample(list(operations), len(operations)), strict=True))
    pairs += product(COMPETING, COMPETING)
    others = list(product(operations, operations))
    pairs += random.sample(others, min(PAIRS - len(pairs), len(others)))
    async with open_race(database, "dispatcher", operations, read_ledger) as race:
        for pair in pairs:
            assert "\n".join(await race.find_differences(*pair)) == ""


async def test_an_operation_that_was_cut_off_is_repeated_without_a_difference(
    database: FreshDatabase, ledger: PostgresLedger
) -> None:
    async with connect_to_database(database.url) as owner:
        await fill_ledger(ledger, owner)
    operations = build_operations()
    async with open_race(database, "dispatcher", operations, read_ledger) as race:
        for name in operations:
            if not name.startswith(NOT_REPEATED):
                assert "\n".join(await race.find_losses(name)) == ""
