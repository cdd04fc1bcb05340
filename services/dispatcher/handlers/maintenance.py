"""What has to be done again and again: due retries, unknown outcomes, progress, erasures."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import BroadcastProgress, Ledger, Meter, Publish, RecipientRepository
from shared.contracts.events import BroadcastFinished, BroadcastProgressed
from shared.contracts.message import Address, Message
from shared.runtime.clock import Clock

REQUEUE_BATCH_SIZE = 2000
FOLLOW_UP_BATCH_SIZE = 500
LATE_ANSWER_SECONDS = 5.0

_log = structlog.get_logger()


async def find_work(ledger: Ledger, lanes: Lanes, needed: Mapping[str, asyncio.Event]) -> None:
    """Notice waiting deliveries whose time has come, and wake the send loop for them and whoever else is needed."""
    work = await ledger.find_work()
    lanes.due |= work.due_lanes
    if work.due_lanes:
        lanes.wake.set()
    for kind in work.kinds:
        needed[kind].set()


async def resolve_unknown(ledger: Ledger, meter: Meter, grace_seconds: float, margin_seconds: float) -> None:
    """Look for claims that were left behind, and for unknown ones that may be sent again (decision 0008).

    The stream of statuses must have been past a message by `margin_seconds` for `grace_seconds` before its absence is
    proof.
    """
    marked = await ledger.mark_unknown()
    released = await ledger.requeue_unknown(grace_seconds, margin_seconds)
    meter.count("unknown_outcomes", marked, "found")
    meter.count("unknown_outcomes", released, "sent_again")
    if marked or released:
        _log.warning("unknown_outcomes", marked=marked, released=released)


async def requeue_waiting(ledger: Ledger) -> None:
    """Bring waiting deliveries where pauses, limits, cancellations and expiries want them, in small steps."""
    while await ledger.requeue_waiting(REQUEUE_BATCH_SIZE) >= REQUEUE_BATCH_SIZE:
        pass


async def extend_follow_ups(ledger: Ledger) -> None:
    """Find the recipients of follow-ups, in small steps, until nothing is left to do just now."""
    while await ledger.extend_follow_up(FOLLOW_UP_BATCH_SIZE):
        pass


async def report_backlog(ledger: Ledger, lanes: Lanes, sender: Sender, meter: Meter, clock: Clock) -> None:
    """Show what the ledger still expects, how long the first of each lane has waited, and whether Meta answers.

    That it does not, operators see in the ledger, too.
    """
    outstanding = await ledger.read_backlog()
    ages = lanes.measure_waiting_seconds(clock())
    overdue = outstanding.overdue_seconds
    waited = {lane: max(ages[lane], overdue.get(lane, 0.0)) for lane in ages}
    unreachable = sender.measure_unreachable()
    meter.show_backlog(outstanding, waited, unreachable)
    if reason := sender.reachability.reason:
        await ledger.report_unreachable(reason, unreachable)


async def publish_refusals(ledger: Ledger, publish: Publish) -> None:
    """Tell subscriptions whom Meta will not reach; told again after a crash, never left out."""
    refusals = await ledger.fetch_unreported_refusals()
    for refusal in refusals:
        await publish(refusal)
    if refusals:
        await ledger.mark_refusals_reported(refusals)


async def publish_progress(ledger: Ledger, publish: Publish, grace_seconds: float) -> None:
    """Tell the world how far each broadcast is, at most once a second over all replicas."""
    for progress in await ledger.collect_progress(grace_seconds):
        await publish(build_progress_event(progress))
        if progress.finished:
            await ledger.finish(progress.broadcast)


def build_progress_event(progress: BroadcastProgress) -> Message:
    """How far a broadcast is, or that it has finished."""
    states = {state.value: count for state, count in progress.states.items()}
    if progress.finished and progress.audience is not None:
        return BroadcastFinished(broadcast=progress.broadcast, audience=progress.audience, states=states)
    return BroadcastProgressed(
        broadcast=progress.broadcast,
        audience=progress.audience,
        states=states,
        person_limited=progress.person_limited,
    )


async def finish_erasures(
    recipients: RecipientRepository, delete_contact: Callable[[Address], Awaitable[bool]]
) -> None:
    """Finish what is due: at Meta, and in the ledger where nothing has to be sent to the address any more."""
    for erasure in await recipients.claim_due_erasures():
        if erasure.user is not None and await delete_contact(erasure.user):
            await recipients.mark_contact_deleted(erasure)
        await recipients.erase(erasure)
