"""Periodic tasks: due retries, unknown outcomes, progress, refusals, erasures, follow-ups."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from services.dispatcher.domain.errors import explain_failure
from services.dispatcher.domain.progress import BroadcastProgress
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import Ledger, Meter, Publish, RecipientRepository
from shared.contracts.events import BroadcastFinished, BroadcastProgressed, FailureCount
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Address, Message
from shared.runtime.clock import Clock

REQUEUE_BATCH_SIZE = 2000
FOLLOW_UP_BATCH_SIZE = 500
LATE_ANSWER_SECONDS = 5.0
MARK = "mark"  # a status of our own, see mark_statuses

_log = structlog.get_logger()


async def find_work(ledger: Ledger, lanes: Lanes, triggers: Mapping[str, asyncio.Event]) -> None:
    """Find lanes with due deliveries and wake the send loop for them; set the events of other tasks that have work."""
    lanes.due, tasks = await ledger.find_work()
    if lanes.due:
        lanes.wake.set()
    for task in tasks:
        triggers[task].set()


async def resolve_unknown(ledger: Ledger, meter: Meter, grace_seconds: float, margin_seconds: float) -> None:
    """Mark abandoned claims as unknown, and requeue unknown ones that may be sent again (decision 0008).

    A missing status proves that a message was not sent only if the stream of statuses reached messages claimed
    `margin_seconds` later at least `grace_seconds` ago, and all that arrived since then has been read.
    """
    marked = await ledger.mark_unknown()
    released = await ledger.requeue_unknown(grace_seconds, margin_seconds)
    meter.count("unknown_outcomes", marked, "found")
    meter.count("unknown_outcomes", released, "sent_again")
    if marked or released:
        _log.warning("unknown_outcomes", marked=marked, released=released)


async def mark_statuses(publish: Publish, clock: Clock) -> None:
    """Publish a mark behind the queued statuses: reading it proves that none is left, even if Meta reports nothing."""
    now = clock()
    await publish(DeliveryStatuses(statuses=(DeliveryStatus(message_key=b"", status=MARK, at=now, received_at=now),)))


async def requeue_waiting(ledger: Ledger) -> None:
    """Apply pauses, limits, cancellations and expiries to waiting deliveries, in batches."""
    while await ledger.requeue_waiting(REQUEUE_BATCH_SIZE) >= REQUEUE_BATCH_SIZE:
        pass


async def extend_follow_ups(ledger: Ledger) -> None:
    """Register the recipients of follow-ups, in batches, until no follow-up is due."""
    while await ledger.extend_follow_up(FOLLOW_UP_BATCH_SIZE):
        pass


async def report_backlog(ledger: Ledger, lanes: Lanes, sender: Sender, meter: Meter, clock: Clock) -> None:
    """Export the backlog, the waiting time of each lane, and how long Meta has been unreachable."""
    backlog = await ledger.read_backlog()
    ages = lanes.measure_waiting_seconds(clock())
    waited = {lane: max(age, backlog.overdue_seconds.get(lane, 0.0)) for lane, age in ages.items()}
    unreachable = sender.measure_unreachable()
    meter.show_backlog(backlog, waited, unreachable)
    if reason := sender.reachability.reason:
        await ledger.report_unreachable(reason, unreachable)


async def publish_refusals(ledger: Ledger, publish: Publish) -> None:
    """Publish refused recipients to subscriptions, at least once: a crash may repeat but never lose one."""
    refusals = await ledger.fetch_unreported_refusals()
    for refusal in refusals:
        await publish(refusal)
    if refusals:
        await ledger.mark_refusals_reported(refusals)


async def publish_progress(
    ledger: Ledger, publish: Publish, meter: Meter, grace_seconds: float, *, late: bool = False
) -> None:
    """Publish the progress of each broadcast, at most once a second over all replicas.

    `late` progress is a change by statuses after the end, such as numbers that are not on WhatsApp.
    """
    for progress in await ledger.collect_progress(grace_seconds, late=late):
        await publish(build_progress_event(progress))
        if late:
            await ledger.mark_published(progress)
        elif progress.finished and (seconds := await ledger.finish(progress.broadcast)) is not None:
            meter.record_broadcast(seconds)


def build_progress_event(progress: BroadcastProgress) -> Message:
    """Return the event for the progress of a broadcast, or for its end."""
    states = {state.value: count for state, count in progress.states.items()}
    counts = sorted(progress.failures.items(), key=lambda item: -item[1])
    failures = tuple(FailureCount(code=code, reason=explain_failure(code), recipients=count) for code, count in counts)
    broadcast, audience, limited = progress.broadcast, progress.audience, progress.person_limited
    if progress.finished and audience is not None:
        return BroadcastFinished(broadcast=broadcast, audience=audience, states=states, failures=failures)
    return BroadcastProgressed(
        broadcast=broadcast, audience=audience, states=states, person_limited=limited, failures=failures
    )


async def finish_erasures(
    recipients: RecipientRepository, delete_contact: Callable[[Address], Awaitable[bool]]
) -> None:
    """Complete due erasures: at Meta, and in the ledger once nothing is pending for the address."""
    for erasure in await recipients.claim_due_erasures():
        if erasure.user is not None and await delete_contact(erasure.user):
            await recipients.mark_contact_deleted(erasure)
        await recipients.erase(erasure)
