"""Polling of one origin: deliver pending events first, then look for new entries."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

import structlog
from msgspec.structs import replace

from services.feeds.configuration import Mode
from services.feeds.decisions import PollOutcome
from services.feeds.fetching import MAX_RETRY_AFTER_SECONDS, FetchFailed
from services.feeds.folder import StateDamaged, StateFolder
from services.feeds.publisher import FeedPublisher
from services.feeds.state import OriginState, PendingEvent
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.runtime.clock import Clock

FOLDER = "folder"
STATE_DAMAGED = "state_damaged"
MUST_WAIT = "must_wait"
UNAVAILABLE = "unavailable"
TOKEN_REFUSED = "token_refused"  # noqa: S105 - a result
PollSource = Callable[[OriginState], Awaitable[PollOutcome | None]]  # None if nothing is new; raises FetchFailed
P = ParamSpec("P")
T = TypeVar("T")
_log = structlog.get_logger()


class FolderUnusable(Exception):
    """Raised when the folder cannot be read or written, as on a full disk; the text says why."""


@dataclass
class PollResult:
    """Result of a poll: `result` is `new`, `unchanged`, or why it failed, FOLDER if the state folder is unusable.

    MUST_WAIT means that nothing was polled, as the website had asked to wait; UNAVAILABLE and TOKEN_REFUSED, that
    nothing can be published. `counts` are the entries by outcome.
    """

    name: str
    result: str
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    detail: str = ""

    @property
    def succeeded(self) -> bool:
        return self.result in ("new", "unchanged")

    @property
    def failed(self) -> bool:
        return not self.succeeded and self.result != MUST_WAIT


@dataclass(frozen=True, kw_only=True)
class Poller:
    """Poller of one origin, to be run every `interval_seconds`.

    It waits as long as the website asks for, but at most `max_wait_seconds`.
    If the process is killed, pending events are delivered again with the same bytes. `delivered` are events that are
    still pending in the folder only because the disk was full.
    """

    name: str
    interval_seconds: float
    source: PollSource
    folder: StateFolder
    publisher: FeedPublisher
    clock: Clock
    max_wait_seconds: float = MAX_RETRY_AFTER_SECONDS
    delivered: set[str] = field(default_factory=set)

    async def poll(self) -> PollResult:
        """Poll once; raise NoticesApiUnavailable if it cannot publish; the events then wait in the folder."""
        try:
            return await self._poll()
        except FolderUnusable as error:
            return PollResult(self.name, FOLDER, detail=str(error))
        except StateDamaged as error:
            return PollResult(self.name, STATE_DAMAGED, detail=str(error))

    async def _poll(self) -> PollResult:
        state = await self._deliver(await self._use_folder(self.folder.read_state, self.name))
        if self._is_asked_to_wait(state.not_before):
            detail = f"asked us to wait until {state.not_before:%Y-%m-%d %H:%M:%S} UTC"
            return PollResult(self.name, MUST_WAIT, detail=detail)
        try:
            outcome = await self.source(state)
        except FetchFailed as error:
            await self._save_if_changed(state, self._record_failure(state, error))
            return PollResult(self.name, error.reason, detail=str(error))
        if outcome is None:
            await self._save_if_changed(state, replace(state, failures=0, not_before=None))
            return PollResult(self.name, "unchanged")
        new_state = replace(outcome.state, failures=0, not_before=None)
        await self._save_if_changed(state, new_state)
        await self._deliver(new_state)
        return PollResult(self.name, "new", outcome.counts, outcome.problems)

    async def _deliver(self, state: OriginState) -> OriginState:
        """Deliver all pending events; return the state without them.

        Raises NoticesApiUnavailable and FolderUnusable; events stored before that are not delivered again.
        """
        state = await self._save_drafts(state)
        while state.pending:
            event = bytes(state.pending[0].event)
            if read_envelope(event).id not in self.delivered:
                await self._publish(event)
            state = await self._drop_delivered(state, state.pending[1:])
        return state

    async def _save_drafts(self, state: OriginState) -> OriginState:
        drafts = [pending for pending in state.pending if pending.way is Mode.DRAFT]
        for draft in drafts:
            event = bytes(draft.event)
            event_id = read_envelope(event).id
            if event_id not in self.delivered:
                path = await self._use_folder(self.folder.save_draft, event)
                self.delivered.add(event_id)
                _log.info("feed_draft", feed=self.name, file=str(path))
        rest = tuple(pending for pending in state.pending if pending.way is not Mode.DRAFT)
        return await self._drop_delivered(state, rest) if drafts else state

    async def _publish(self, event: bytes) -> None:
        envelope = read_envelope(event)
        await self._use_folder(self.folder.save_sent, self.name, event)
        problems = await self.publisher.publish(event)
        if problems:
            await self._use_folder(self.publisher.record_rejection, envelope, problems)
        else:
            _log.info("feed_published", feed=self.name, notice=envelope.subject, type=envelope.type)
        self.delivered.add(envelope.id)

    async def _drop_delivered(self, state: OriginState, rest: tuple[PendingEvent, ...]) -> OriginState:
        """Save and return the state with only `rest` pending."""
        new_state = replace(state, pending=rest)
        await self._use_folder(self.folder.save_state, self.name, new_state)
        self.delivered.clear()
        return new_state

    async def _use_folder(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read or write in a thread, so that a slow disk does not block the other origins. Raises FolderUnusable."""
        try:
            return await asyncio.to_thread(operation, *args, **kwargs)
        except OSError as error:
            raise FolderUnusable(f"cannot use {self.folder.path}: {error.strerror or error}") from None

    def _is_asked_to_wait(self, until: datetime | None) -> bool:
        """Return whether to wait; ignore a time too far ahead, which a wrong clock must have stored."""
        now = self.clock()
        return until is not None and now < until <= now + timedelta(seconds=self.max_wait_seconds)

    def _record_failure(self, state: OriginState, error: FetchFailed) -> OriginState:
        seconds = min(error.retry_after or 0, self.max_wait_seconds)
        not_before = self.clock() + timedelta(seconds=seconds) if seconds else None
        return replace(state, failures=state.failures + 1, not_before=not_before)

    async def _save_if_changed(self, before: OriginState, after: OriginState) -> None:
        if after != before:
            await self._use_folder(self.folder.save_state, self.name, after)
