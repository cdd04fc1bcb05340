"""Reported progress of a broadcast: failures by reason, pages that never come, and its end."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from cli.operate import ledger as operate
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.errors import ERROR_RULES, SETTLED_BY_HAND
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.domain.status_updates import StatusUpdate
from services.dispatcher.handlers.consumers import repeat_progress
from services.dispatcher.handlers.maintenance import build_progress_event, publish_progress
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    FailureCount,
    NoticeAccepted,
)
from shared.contracts.message import Lane, Message
from shared.outcome import DependencyUnavailable
from tests.integration.dispatcher.factories import (
    accept,
    build_batch_message,
    build_record,
    build_update,
    claim,
    claim_new,
    claim_subscribers,
    generate_subscribers,
    states,
)

UNDELIVERABLE, TOO_MUCH, TEMPLATE_MISSING = 131026, 131049, 132001
LONG_AGO = timedelta(minutes=11)
EXPIRE = "update dispatcher.broadcast set expires_at = now() - $1::interval, progressed_at = now() - interval '61 s'"
EXPIRE_WITHOUT_NEWS = f"{EXPIRE}, awaited_at = now() - $1::interval"


def explain(code: int) -> str:
    return ERROR_RULES[code].german


async def test_progress_counts_failures_by_reason(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    source, (one, two, three, unknown, last) = await claim_new(ledger, 5)
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
    again = await ledger.get_progress(source)
    assert again is not None
    assert again.failures == progress.failures


async def test_what_statuses_change_after_the_end_is_told_once_even_if_it_could_not_be_published_at_first(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """A proof and a failure; in the next round again only what has changed since."""
    one, other = [claim for _ in range(2) for claim in await claim_subscribers(ledger)]
    await accept(ledger, [one, other], b"k")
    for progress in await ledger.collect_progress(60):
        await ledger.finish(progress.broadcast)
    failed = StatusUpdate(other.delivery, DeliveryState.FAILED, b"k", error_code=UNDELIVERABLE)
    await ledger.apply_statuses([build_update(one.delivery, DeliveryState.SENT), failed])
    assert await ledger.collect_progress(60, late=True) == [], "at most once a minute"
    told: list[Message] = []

    async def publish(message: Message) -> None:
        told.append(message)
        if len(told) == 1:
            raise DependencyUnavailable("broker")

    async def run_round() -> None:
        await owner.execute("update dispatcher.broadcast set finished_at = now() - interval '2 minutes'")
        await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '1 minute'")
        await publish_progress(ledger, publish, Metrics(CollectorRegistry(), limit=1), 60, late=True)

    def end(claim: Claim, state: str, *failures: FailureCount) -> BroadcastFinished:
        assert claim.broadcast is not None
        return BroadcastFinished(broadcast=claim.broadcast, audience=1, states={state: 1}, failures=failures)

    with pytest.raises(DependencyUnavailable):
        await run_round()
    await run_round()
    reason = FailureCount(code=UNDELIVERABLE, reason=explain(UNDELIVERABLE), recipients=1)
    assert told[1:] == [end(one, "sent"), end(other, "failed", reason)]
    await ledger.apply_statuses([build_update(one.delivery, DeliveryState.READ)])
    await run_round()
    assert told[3:] == [end(one, "read")]


async def test_an_outcome_that_nothing_can_settle_does_not_keep_its_broadcast_for_ever(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    source, (lost, sent) = await claim_new(ledger, 2)
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN), build_record(sent, DeliveryState.ACCEPTED)])
    assert [one.finished for one in await ledger.collect_progress(60)] == [False]
    assert (await ledger.read_backlog()).waiting[Lane.BULK] == 1, "the alert BulkStalled counts it, as its page says"
    expire = "update dispatcher.broadcast set progressed_at = now() - interval '2 s', expires_at = now() - $1::interval"
    await owner.execute(expire, timedelta(seconds=59))
    assert [one.finished for one in await ledger.collect_progress(60)] == []
    await owner.execute(expire, timedelta(seconds=61))
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.states[DeliveryState.UNKNOWN]) == (True, 1)
    await ledger.finish(source)
    await ledger.apply_statuses([build_update(lost.delivery, DeliveryState.DELIVERED)])
    assert await states(ledger, source) == {"accepted": 1, "delivered": 1}
    ended = await ledger.get_progress(source)
    assert ended is not None
    assert ended.finished


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
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '61 s'")
    assert [one.finished for one in await ledger.collect_progress(60)] == [False]  # others may still come
    await owner.execute(
        "update dispatcher.broadcast set progressed_at = now() - interval '61 s', awaited_at = now() - $1::interval",
        LONG_AGO,
    )
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.audience, progress.states) == (True, 2, {DeliveryState.ACCEPTED: 2})
    await ledger.finish(came.broadcast)
    outstanding = await ledger.read_backlog()
    assert (outstanding.unaccounted, outstanding.waiting[Lane.BULK]) == (0, 0)
    assert await ledger.collect_progress(60) == []
    shown = await operate.fetch_one(owner, came.broadcast)
    assert shown is not None
    counts = shown["counts"]
    assert (counts["audience"], counts["complete"], counts["unaccounted"]) == (2, True, 0)


async def test_a_repeated_event_learns_of_a_cancellation_before_the_first_recipients(ledger: PostgresLedger) -> None:
    """Who follows it waits for an end, and no broadcast of the ledger has one."""
    broadcast, told = uuid4(), list[Message]()

    async def publish(message: Message) -> None:
        told.append(message)

    accepted = NoticeAccepted(source="/source", event="event", notice="notice", revision=1, broadcast=broadcast)
    await repeat_progress(ledger, publish, accepted)
    assert told == []
    await ledger.cancel(broadcast, "wrong text")
    await repeat_progress(ledger, publish, accepted)
    assert told == [BroadcastCancelled(broadcast=broadcast, source="/source", notice="notice", reason="wrong text")]


async def test_progress_says_who_waits_for_metas_limit_for_one_person(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    _, (sent, turn, *limited) = await claim_new(ledger, 4)
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
    _, claims = await claim_new(ledger, 2)
    assert len(await ledger.collect_progress(60)) == 1
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '30 s'")
    assert await ledger.collect_progress(60) == []
    await ledger.record([build_record(claims[0], DeliveryState.ACCEPTED)])
    assert len(await ledger.collect_progress(60)) == 1
    await owner.execute("update dispatcher.broadcast set progressed_at = now() - interval '61 s'")
    assert len(await ledger.collect_progress(60)) == 1


@pytest.mark.parametrize(("page", "last"), [(0, False), (1, True)], ids=["the last is lost", "the first is lost"])
async def test_pages_that_never_come_are_told_and_keep_no_broadcast_from_its_end(
    ledger: PostgresLedger, page: int, last: bool
) -> None:
    whole = build_batch_message(generate_subscribers(2))
    came = msgspec.structs.replace(whole, page=page, offset=100 * page, last=last)
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in await claim(ledger, came)])
    assert (await ledger.read_backlog()).unaccounted == 0
    assert [one.finished for one in await ledger.collect_progress(60)] == [False]

    await ledger.database.fetchval(EXPIRE_WITHOUT_NEWS, LONG_AGO)
    assert (await ledger.read_backlog()).unaccounted > 0
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.states) == (True, {DeliveryState.ACCEPTED: 2})
    await ledger.finish(came.broadcast)
    assert await ledger.collect_progress(60) == []
    assert (await ledger.read_backlog()).unaccounted > 0


@pytest.mark.parametrize(
    "cause", ["a pause", "an unreachable Meta", "an outage of all dispatchers", "an urgent broadcast before it"]
)
async def test_a_broadcast_whose_pages_wait_in_their_lane_has_not_ended(
    ledger: PostgresLedger, operator: asyncpg.Connection, owner: asyncpg.Connection, cause: str
) -> None:
    """Else 95 percent of those on the pages that came would count as 95 percent of its recipients."""
    came, *others = split_into_pages(build_batch_message(generate_subscribers(6)))
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in await claim(ledger, came)])
    if cause == "a pause":
        await operator.execute("select dispatcher.pause_sending('Wartung', null)")
    elif cause == "an unreachable Meta":
        await ledger.report_unreachable("no answer", 700.0)
    await ledger.database.fetchval(EXPIRE_WITHOUT_NEWS, LONG_AGO)
    if cause == "an outage of all dispatchers":
        await ledger.database.fetchval("update dispatcher.broadcast set progressed_at = now() - $1::interval", LONG_AGO)
        told = await ledger.get_progress(came.broadcast)  # to a system that has repeated its event
        assert told is not None
        assert not told.finished
    elif cause == "an urgent broadcast before it":
        await claim(ledger, build_batch_message(generate_subscribers(1), lane=Lane.URGENT))
        await owner.execute("update dispatcher.broadcast set progressed_at = now() where lane = 'urgent'")
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.audience) == (False, None)

    await operator.execute("select dispatcher.resume_sending(null)")
    await owner.execute("delete from dispatcher.unreachable")
    await owner.execute("update dispatcher.broadcast set finished_at = now() where lane = 'urgent'")
    for page in others:  # they come one after another, from the lane and then from whoever expands the broadcast
        await ledger.database.fetchval(EXPIRE, LONG_AGO)
        (progress,) = await ledger.collect_progress(60)
        assert (progress.finished, progress.audience) == (False, None)
        assert await claim(ledger, page) == []
    await ledger.database.fetchval(EXPIRE, LONG_AGO)
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.audience) == (True, 6)


async def test_pages_that_have_not_come_long_after_a_pause_are_lost(
    ledger: PostgresLedger, operator: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    """A number that sends nothing any more may stay paused for good."""
    await PostgresRateLimiter(ledger.database, number="an earlier one", limit=100).set_up()
    came, *_ = split_into_pages(build_batch_message(generate_subscribers(6)))
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in await claim(ledger, came)])
    await operator.execute("select dispatcher.pause_sending('Wartung', null)")
    await operator.execute("select dispatcher.resume_sending($1)", ledger.number)
    await ledger.database.fetchval(EXPIRE_WITHOUT_NEWS, LONG_AGO)
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.audience) == (True, 2)


def split_into_pages(whole: BroadcastBatch) -> list[BroadcastBatch]:
    """Return three pages of two recipients."""
    replace, people = msgspec.structs.replace, whole.recipients
    return [replace(whole, page=n, offset=2 * n, last=n == 2, recipients=people[2 * n : 2 * n + 2]) for n in range(3)]


async def test_what_waits_for_lost_pages_after_its_expiry_is_told_once_a_minute(ledger: PostgresLedger) -> None:
    """Each telling is an event to every municipal system."""
    came = msgspec.structs.replace(build_batch_message(generate_subscribers(2)), last=False)
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in await claim(ledger, came)])
    await ledger.collect_progress(60)
    change = """update dispatcher.broadcast set expires_at = clock_timestamp() - interval '5 minutes',
        progressed_at = clock_timestamp() - make_interval(secs => $1)"""
    told = {}
    for seconds in (2, 61):
        await ledger.database.fetchval(change, seconds)
        told[seconds] = [one.finished for one in await ledger.collect_progress(60)]
    assert told == {2: [], 61: [False]}
