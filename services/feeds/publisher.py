"""Publication through the notices API; the state folder records what becomes of each event."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from services.feeds.folder import StateFolder
from shared.contracts.envelope import Envelope, read_envelope
from shared.contracts.events import Problem
from shared.contracts.notices_http import EventProgress, EventState
from shared.runtime.notices_api import HttpNoticesApi, NoticesApiUnavailable

RETENTION_SECONDS = 7 * 86_400  # the notices API knows no older events
POLL_INTERVAL_SECONDS = 1.0
MAX_RETRY_AFTER_SECONDS = 5.0
CLOCK_SKEW_SECONDS = 60
# Of a token's 600 requests a minute, enough are left to publish.
UNPACED_REQUESTS = 20
REQUEST_PAUSE_SECONDS = 0.2
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FeedPublisher:
    """Publisher of events; those that Kreisfunk rejects, at once or later, are kept with the reasons."""

    notices: HttpNoticesApi
    folder: StateFolder

    async def publish(self, event: bytes) -> Sequence[Problem]:
        """Publish the event; return why it is rejected, nothing once it is stored. Repeating it is safe.

        Raises NoticesApiUnavailable.
        """
        problems = await _send(partial(self.notices.publish, event))
        if not problems:
            return ()
        # It may have expired since it was stored and the answer lost.
        progress = await _send(self._build_question(read_envelope(event)))
        return problems if progress is None or progress.state is EventState.REJECTED else ()

    def _build_question(self, event: Envelope) -> Callable[[], Awaitable[EventProgress | None]]:
        return partial(self.notices.fetch_progress, event.source, event.id)

    def record_rejection(self, event: Envelope, problems: Sequence[Problem]) -> None:
        """Move the event to the refused ones, with the reasons. Raises OSError."""
        if _is_repeated(problems):
            self.folder.mark_answered(event.id)
            return
        origin = self.folder.mark_rejected(event.id, tuple(problems))
        if origin is None:
            return
        fields = [problem.field for problem in problems]
        # No module-level logger: an earlier command in this process may have configured the logs differently.
        structlog.get_logger().error("feed_rejected", feed=origin, notice=event.subject, fields=fields)

    async def read_answers(self) -> None:
        """Ask once for each event without an answer, up to the rate limit: publishing comes first.

        Raises NoticesApiUnavailable.
        """
        self.folder.purge_sent(time.time() - RETENTION_SECONDS)
        await self._ask_all(float("inf"), patient=False)

    async def wait_for_answers(self, seconds: float, event: Envelope | None = None) -> None:
        """Ask until this event, or every event, is answered or `seconds` have passed. Raises NoticesApiUnavailable."""
        deadline = time.monotonic() + seconds
        while True:
            await (self._ask(event) if event else self._ask_all(deadline))
            waiting = self.folder.is_unanswered(event.id) if event else self.folder.list_unanswered()
            if not waiting or time.monotonic() >= deadline:
                return
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def _ask_all(self, deadline: float, *, patient: bool = True) -> None:
        """Ask for each event without an answer, newest first; beyond UNPACED_REQUESTS slowly, until the deadline."""
        for number, sent in enumerate(reversed(self.folder.list_unanswered())):
            if number >= UNPACED_REQUESTS:
                if time.monotonic() >= deadline:
                    return
                await asyncio.sleep(REQUEST_PAUSE_SECONDS)
            await self._ask(read_envelope(bytes(sent.event)), patient=patient)

    async def _ask(self, event: Envelope, *, patient: bool = True) -> None:
        ask = self._build_question(event)
        progress = await (_send(ask) if patient else ask())
        if progress is None or progress.state is EventState.RECEIVED:
            return
        if progress.state is not EventState.REJECTED:
            self.folder.mark_answered(event.id)
        elif not self._is_recorded(event, progress.changed_at.timestamp()):
            self.record_rejection(event, progress.problems)

    def _is_recorded(self, event: Envelope, rejected_at: float) -> bool:
        """Return whether a replica has not yet heard that a person published the rejected event again.

        Only then are clocks compared: if they differ, no first rejection may be overlooked.
        """
        is_republished = self.folder.is_refused(event.id)
        return is_republished and rejected_at <= self.folder.read_sent_at(event.id) - CLOCK_SKEW_SECONDS


async def _send(request: Callable[[], Awaitable[T]]) -> T:
    """Send the request; wait once if the notices API asks for a short pause, as above its rate limit."""
    try:
        return await request()
    except NoticesApiUnavailable as error:
        if not 0 < error.retry_after <= MAX_RETRY_AFTER_SECONDS:
            raise
        await asyncio.sleep(error.retry_after)
    return await request()


def _is_repeated(problems: Sequence[Problem]) -> bool:
    """Return whether only the id was rejected, because it was used before.

    Our ids consist of notice and revision: a used id means the same event, evaluated again after the state was lost.
    """
    return {problem.field for problem in problems} == {"id"}
