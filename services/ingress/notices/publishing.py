"""Publishing and checking of the notices in a request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import msgspec

from services.ingress.notices.errors import ApiError, ErrorType, build_retryable_error
from services.ingress.notices.parsing import ParsedRequest
from services.ingress.notices.progress_feed import ProgressFeed
from services.ingress.notices.validation import NOT_CHECKED, Caller, validate_events
from shared.contracts.envelope import UNKNOWN_TIME, Envelope, encode, read_envelope
from shared.contracts.events import NoticeChecked
from shared.contracts.message import Lane
from shared.contracts.notices import NoticeCheck, NoticeContent
from shared.contracts.notices_http import ACTIONS, CheckResult, PublishResult, event_path
from shared.notices.configuration import Configuration
from shared.notices.rules import ID_REUSED, ParsedNotice
from shared.outcome import DependencyUnavailable
from shared.runtime.clock import Clock

ANSWER_TIMEOUT_SECONDS = 2.0
MAX_PENDING_CHECKS = 200
StoreEvent = Callable[[Envelope], Awaitable[None]]  # returns when the broker has it on disk
_EXPECTED_FIELDS = ("revision", "audience", "costs", "duration_seconds", "blockers")


@dataclass
class NoticeCheckClient:
    """Client of the checks that only subscriptions can make.

    Requests go out through the broker, answers are read from its stream.
    """

    store: StoreEvent
    clock: Clock
    _pending: dict[tuple[str, str], asyncio.Future[NoticeChecked]] = field(default_factory=dict)

    async def check(self, event: Envelope, caller: Caller) -> NoticeChecked | None:
        """Return what would happen to the event; None if no answer comes in time, or too many checks are pending."""
        if len(self._pending) >= MAX_PENDING_CHECKS:
            return None
        key = caller.system.sources[0], uuid4().hex
        self._pending[key] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                await self.store(stamp_event(self._build_check(event, *key), caller, self.clock()))
                return await self._pending[key]
        except (TimeoutError, DependencyUnavailable):
            return None
        finally:
            del self._pending[key]

    def _build_check(self, event: Envelope, source: str, identifier: str) -> Envelope:
        message = NoticeCheck(event=msgspec.json.decode(msgspec.json.encode(event)))
        return read_envelope(encode(message, event_id=identifier, source=source, time=self.clock()))

    def resolve(self, answer: NoticeChecked) -> None:
        """Pass an answer to its pending check; ignore answers to requests of another process."""
        pending = self._pending.get((answer.source, answer.event))
        if pending is not None and not pending.done():
            pending.set_result(answer)


@dataclass(frozen=True, kw_only=True)
class PublishService:
    """Service that checks and publishes notices; `count_events` raises ApiError above the caller's rate limit."""

    configuration: Configuration
    store: StoreEvent
    feed: ProgressFeed
    checks: NoticeCheckClient
    clock: Clock
    count_events: Callable[[Caller, int], None]
    count_stored: Callable[[str], None]

    def _validate(self, parsed: ParsedRequest, caller: Caller) -> None:
        """Return if no event has a problem. Raises ApiError."""
        self.count_events(caller, len(parsed.events))
        known, reused = set(), []
        for index, event in enumerate(parsed.events):
            entry = self.feed.find_published(event, caller)
            if entry and entry.is_repeat(event.fingerprint):
                known.add(index)
            elif entry and entry.has_other_content(event.fingerprint):
                reused.append(parsed.build_error(parsed.translate(ID_REUSED), index))
        validate_events(parsed, caller, self.configuration, self.clock(), known=known)
        if reused:
            raise ApiError(ErrorType.INVALID, errors=reused)

    async def check(self, parsed: ParsedRequest, caller: Caller) -> Sequence[CheckResult]:
        """Return what would happen to the events of a request. Raises ApiError."""
        self._validate(parsed, caller)
        answers = await asyncio.gather(
            *(self._check_event(parsed, index, caller) for index in range(len(parsed.events)))
        )
        errors = [
            parsed.build_error(parsed.translate(problem), index)
            for index, checked in enumerate(answers)
            for problem in (checked.problems if checked else ())
        ]
        if errors:
            raise ApiError(ErrorType.INVALID, errors=errors)
        return [
            build_check_result(event, checked, self.clock())
            for event, checked in zip(parsed.events, answers, strict=True)
        ]

    async def _check_event(self, parsed: ParsedRequest, index: int, caller: Caller) -> NoticeChecked | None:
        """Check an event; None after another in the batch on its notice, or on the one that it follows.

        The effect of an event after another one cannot be predicted.
        """
        event, notice = parsed.events[index].envelope, parsed.events[index].notice
        follows = notice.follows if isinstance(notice, NoticeContent) else None
        earlier = {other.envelope.subject for other in parsed.events[:index] if other.envelope.source == event.source}
        return None if earlier & {event.subject, follows} else await self.checks.check(event, caller)

    async def publish(self, parsed: ParsedRequest, caller: Caller) -> Sequence[PublishResult]:
        """Return when the broker has all events. Raises ApiError, possibly after storing part of a batch."""
        self._validate(parsed, caller)
        for event in parsed.events:  # in order, since a batch may publish a notice and then update it
            before = self.feed.find_published(event, caller)
            await self._store(stamp_event(event.envelope, caller, self.clock()))
            if self.feed.find_published(event, caller) is before:  # else the stream, and perhaps the answer, was faster
                self.feed.add_published(event, caller)
        return [build_publish_result(event.envelope) for event in parsed.events]

    async def _store(self, event: Envelope) -> None:
        try:
            await self.store(event)
        except DependencyUnavailable:
            detail = "The broker did not confirm. Repeat the same request: nothing is sent twice."
            raise build_retryable_error(ErrorType.UNAVAILABLE, detail) from None
        self.count_stored(event.type)


def stamp_event(event: Envelope, caller: Caller, now: datetime) -> Envelope:
    """Return the event as published: with the caller's system, and the token's topics if it is narrowed.

    A missing time is added: it shows later that `scheduled_at` was in the future on receipt.
    """
    topics = ",".join(caller.system.topics) if caller.narrowed else None
    time = now if event.time == UNKNOWN_TIME else event.time
    return msgspec.structs.replace(event, kreisfunksystem=caller.system.name, kreisfunktopics=topics, time=time)


def build_publish_result(event: Envelope) -> PublishResult:
    return PublishResult(
        event=event_path(event.source, event.id), source=event.source, id=event.id, notice=event.subject or ""
    )


def build_check_result(event: ParsedNotice, checked: NoticeChecked | None, now: datetime) -> CheckResult:
    """Return the result for an event without problems; `checked` is the answer of subscriptions, if any."""
    notice = event.notice
    fields = msgspec.structs.asdict(build_publish_result(event.envelope))
    fields |= {"action": next(action for action, event_type in ACTIONS.items() if isinstance(notice, event_type))}
    fields |= {name: getattr(checked, name) for name in _EXPECTED_FIELDS} if checked else {"blockers": (NOT_CHECKED,)}
    if not isinstance(notice, NoticeContent):
        return CheckResult(**fields)
    return CheckResult(
        **fields,
        topic=notice.topic,
        lane=Lane.URGENT if notice.urgent else Lane.BULK,
        begins_at=notice.scheduled_at if notice.scheduled_at and notice.scheduled_at > now else None,
        expires_at=event.envelope.expirytime,
    )
