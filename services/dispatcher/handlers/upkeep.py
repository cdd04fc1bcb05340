"""What has to be done again and again: due retries, unknown outcomes, progress."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.ports import Ledger, Meter, Progress
from shared.contracts.events import BroadcastFinished, BroadcastProgressed, DeliveryRefused
from shared.contracts.message import Message
from shared.outcome import DependencyAway

DUE_SECONDS = 0.25
RESOLVE_SECONDS = 1.0
PROGRESS_SECONDS = 0.5
WATCH_SECONDS = 1.0
PARTITIONS_SECONDS = 3600.0
FORGET_SECONDS = 60.0
REFUSALS_SECONDS = 1.0
TIDY_SECONDS = 1.0
TIDY_STEP = 2000
FOLLOW_SECONDS = 0.25
FOLLOW_STEP = 500
LATE_ANSWER_SECONDS = 5.0

_log = structlog.get_logger()


async def repeat(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do it for ever, with a pause after each time; a dependency that is away costs one turn."""
    while True:
        try:
            await action()
        except DependencyAway as error:
            _log.warning("dependency_away", error=str(error))
        await asyncio.sleep(seconds)


class Due:
    """Notices waiting deliveries whose time has come, and wakes the pump for them."""

    def __init__(self, *, ledger: Ledger, lanes: Lanes, wake: asyncio.Event) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._wake = wake

    async def look(self) -> None:
        """Ask the ledger once."""
        due = await self._ledger.due_lanes()
        self._lanes.due |= due
        if due:
            self._wake.set()


class Resolver:
    """Finds out about outcomes that nobody answers for; see docs/decisions on unknown outcomes.

    `grace` is how long the stream of statuses must have been past a message before its absence is proof,
    `timeout` the longest that a request may take, both in seconds.
    """

    def __init__(self, *, ledger: Ledger, meter: Meter, grace: float, timeout: float, claim: float) -> None:
        self._ledger = ledger
        self._meter = meter
        self._grace = grace
        self._timeout = timeout
        self._claim = claim

    async def resolve(self) -> None:
        """Look once for claims that were left behind, and for unknown ones that may be sent again."""
        margin = self._claim + self._timeout
        marked = await self._ledger.mark_unknown(margin + LATE_ANSWER_SECONDS)
        released = await self._ledger.release_unknown(self._grace, margin)
        self._meter.unknown(marked, released)
        if marked or released:
            _log.warning("unknown_outcomes", marked=marked, released=released)


class Tidier:
    """Brings waiting deliveries where pauses, holds, cancellations and expiries want them, in small steps."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def tidy(self) -> None:
        """Until nothing is left to do. Raises DependencyAway."""
        while await self._ledger.tidy(TIDY_STEP) >= TIDY_STEP:
            pass


class Follower:
    """Finds the recipients of follow-ups, in small steps."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def follow(self) -> None:
        """Until nothing is left to do just now. Raises DependencyAway."""
        while await self._ledger.extend_follow_up(FOLLOW_STEP):
            pass


class Watch:
    """Shows what the ledger still expects."""

    def __init__(self, *, ledger: Ledger, meter: Meter) -> None:
        self._ledger = ledger
        self._meter = meter

    async def look(self) -> None:
        """Ask the ledger once."""
        self._meter.outstanding(await self._ledger.outstanding())


class RefusalTeller:
    """Tells subscriptions whom Meta will not reach; told again after a crash, never left out."""

    def __init__(self, *, ledger: Ledger, publish: Callable[[Message], Awaitable[None]]) -> None:
        self._ledger = ledger
        self._publish = publish

    async def tell(self) -> None:
        """Tell what has not been told. Raises DependencyAway."""
        refusals = await self._ledger.untold_refusals()
        for refusal in refusals:
            event = DeliveryRefused(delivery=refusal.delivery, subscriber=refusal.subscriber, code=refusal.code)
            await self._publish(event)
        if refusals:
            await self._ledger.refusals_told(refusals)


class ProgressTeller:
    """Tells the world how far each broadcast is, at most once a second over all replicas."""

    def __init__(self, *, ledger: Ledger, publish: Callable[[Message], Awaitable[None]]) -> None:
        self._ledger = ledger
        self._publish = publish

    async def tell(self) -> None:
        """Tell what nobody told for a second. Raises DependencyAway."""
        for progress in await self._ledger.progress():
            await self._publish(progress_event(progress))
            if progress.finished:
                await self._ledger.finish(progress.broadcast)


def progress_event(progress: Progress) -> Message:
    """How far a broadcast is, or that it has finished."""
    states = {state.value: count for state, count in progress.states.items()}
    if progress.finished and progress.audience is not None:
        return BroadcastFinished(broadcast=progress.broadcast, audience=progress.audience, states=states)
    return BroadcastProgressed(broadcast=progress.broadcast, audience=progress.audience, states=states)
