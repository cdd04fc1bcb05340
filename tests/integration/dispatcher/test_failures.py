"""Failures by reason: in each progress, and after the end, when most of them are reported."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.errors import ERROR_RULES, SETTLED_BY_HAND, explain_failure
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.consumers import add_retry
from services.dispatcher.handlers.maintenance import build_progress_event, publish_progress
from services.dispatcher.ports import StatusUpdate
from shared.contracts.dispatch import Withdrawal
from shared.contracts.events import BroadcastFinished, FailureCount
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane, Message
from shared.database.pool import Database as Pool
from shared.outcome import DependencyUnavailable
from tests.integration.dispatcher.factories import build_batch_message, build_record, build_reply, generate_subscribers
from tests.integration.dispatcher.test_ledger import claim, counted, states

UNDELIVERABLE, TOO_MUCH, TEMPLATE_MISSING = 131026, 131049, 132001


def explain(code: int) -> str:
    return ERROR_RULES[code].german


async def test_progress_counts_failures_by_reason(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    message = build_batch_message(generate_subscribers(5))
    one, two, three, unknown, last = await claim(ledger, message)
    await ledger.record(
        [
            Record(one.delivery, one.number, DeliveryState.FAILED, error_code=TOO_MUCH),
            Record(two.delivery, two.number, DeliveryState.FAILED, error_code=UNDELIVERABLE),
            Record(three.delivery, three.number, DeliveryState.FAILED, error_code=UNDELIVERABLE),
            build_record(unknown, DeliveryState.UNKNOWN),
            build_record(last, DeliveryState.ACCEPTED),
        ]
    )
    await owner.execute("select dispatcher.settle_unknown($1, null, 'failed')", unknown.delivery)
    (progress,) = await ledger.collect_progress(60)
    event = build_progress_event(progress)
    assert isinstance(event, BroadcastFinished)
    assert event.failures == (
        FailureCount(code=UNDELIVERABLE, reason=explain(UNDELIVERABLE), recipients=2),
        FailureCount(code=TOO_MUCH, reason=explain(TOO_MUCH), recipients=1),
        FailureCount(code=None, reason=SETTLED_BY_HAND, recipients=1),
    )
    again = await ledger.get_progress(message.broadcast)
    assert again is not None
    assert again.failures == progress.failures


async def test_a_failure_that_is_reported_after_the_end_is_told(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(2))
    claims = await claim(ledger, message)
    await ledger.record(
        [Record(one.delivery, one.number, DeliveryState.ACCEPTED, message_key=one.delivery.bytes) for one in claims]
    )
    assert len(await ledger.collect_progress(60)) == 1
    await ledger.finish(message.broadcast)
    await ledger.apply_statuses(
        [
            StatusUpdate(claims[0].delivery, DeliveryState.READ, claims[0].delivery.bytes),
            StatusUpdate(claims[1].delivery, DeliveryState.FAILED, claims[1].delivery.bytes, error_code=UNDELIVERABLE),
        ]
    )
    assert await ledger.collect_progress(60, late=True) == [], "at most once a minute"
    await owner.execute(
        "update dispatcher.broadcast set finished_at = now() - interval '2 minutes',"
        " progressed_at = now() - interval '2 minutes'"
    )
    told: list[Message] = []
    meter = Metrics(CollectorRegistry(), limit=1)

    async def publish(message: Message) -> None:
        told.append(message)

    await publish_progress(ledger, publish, meter, 60, late=True)
    await publish_progress(ledger, publish, meter, 60, late=True)
    assert told == [
        BroadcastFinished(
            broadcast=message.broadcast,
            audience=2,
            states={"read": 1, "failed": 1},
            failures=(FailureCount(code=UNDELIVERABLE, reason=explain(UNDELIVERABLE), recipients=1),),
        )
    ]
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '2 minutes'")
    await publish_progress(ledger, publish, meter, 60, late=True)
    assert len(told) == 1, "nothing has changed since"


async def test_late_progress_that_could_not_be_published_is_published_by_the_next_round(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """Both broadcasts, and in the next round again only what has changed since."""
    claims = [one for _ in range(2) for one in await claim(ledger, build_batch_message(generate_subscribers(1)))]
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in claims])
    for progress in await ledger.collect_progress(60):
        await ledger.finish(progress.broadcast)
    told: list[tuple[UUID, Mapping[str, int]]] = []

    async def publish(message: Message) -> None:
        assert isinstance(message, BroadcastFinished)
        told.append((message.broadcast, message.states))
        if len(told) == 1:
            raise DependencyUnavailable("broker")

    async def run_round() -> None:
        await owner.execute("update dispatcher.broadcast set finished_at = now() - interval '2 minutes'")
        await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '1 minute'")
        await publish_progress(ledger, publish, Metrics(CollectorRegistry(), limit=1), 60, late=True)

    await ledger.apply_statuses([StatusUpdate(one.delivery, DeliveryState.SENT, b"k") for one in claims])
    with pytest.raises(DependencyUnavailable):
        await run_round()
    await run_round()
    assert sorted(told[1:]) == [(one.broadcast, {"sent": 1}) for one in claims]
    await ledger.apply_statuses([StatusUpdate(claims[0].delivery, DeliveryState.READ, b"k")])
    await run_round()
    assert told[3:] == [(claims[0].broadcast, {"read": 1})]


async def test_nothing_is_sent_again_to_somebody_who_has_stopped_meanwhile(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    stopped, subscribed = people = generate_subscribers(2)
    message = build_batch_message(people)
    claims = await claim(ledger, message)
    await ledger.record([Record(one.delivery, one.number, DeliveryState.FAILED, error_code=1) for one in claims])
    await ledger.withdraw(Withdrawal(subscriber=stopped, sequence=2))
    row = await owner.fetchrow("select failed from dispatcher.resend_missing($1, false)", message.broadcast)
    assert row is not None
    assert row["failed"] == 2
    assert [one.delivery for one in await ledger.claim_due(Lane.BULK, 10)] == [
        delivery_id(message.broadcast, subscribed)
    ]
    assert await counted(pool, message.broadcast) == {"suppressed": 1, "claimed": 1}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (131016, "Dienst bei Meta nicht verfügbar"),
        (None, SETTLED_BY_HAND),
        (7, "unbekannter Fehlercode"),
    ],
)
def test_every_failure_has_a_reason(code: int | None, reason: str) -> None:
    assert explain_failure(code) == reason


async def test_a_reply_that_fails_with_the_code_of_a_template_is_not_sent_again_and_again(
    ledger: PostgresLedger, pool: Pool
) -> None:
    """The status is here before our own record of the acceptance."""
    now = datetime.now(UTC)
    (reply,) = await ledger.claim_replies([(build_reply(), now)])
    update = StatusUpdate(reply.delivery, DeliveryState.FAILED, b"k", error_code=TEMPLATE_MISSING)
    await ledger.apply_statuses([add_retry(update)])
    assert await states(pool, reply.delivery) == {"failed": 1}
