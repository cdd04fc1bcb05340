"""Progress of a system's events: the current state, and every change."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.ingress.notices.errors import ApiError, ErrorType, build_retryable_error
from services.ingress.notices.progress import EventName, ProgressEntry, ProgressStore
from services.ingress.notices.validation import Caller
from shared.contracts.envelope import ContractError, Envelope, read_message
from shared.contracts.events import NoticeChecked
from shared.contracts.notices_http import NoticeList, event_key
from shared.notices.cloudevents import NOTICE_TYPES, AmqpMessage, UnreadableEvent, identify_system, read_amqp_event
from shared.notices.configuration import NOTICES_API_LOGIN
from shared.notices.rules import ParsedNotice, parse_notice
from shared.runtime.background import wait_until_set
from shared.runtime.clock import Clock

LATE_TIMEOUT_SECONDS = 0.25
MAX_WATCHERS = 1_000
MAX_WATCHERS_PER_TOKEN = 20


@dataclass
class ProgressFeed:
    """Progress of published events, read from the broker's stream.

    `is_current` returns whether the whole stream has been read; `login` is the broker login of every replica of ours.
    Answers to notice checks in the stream go to `resolve_check`.
    """

    store: ProgressStore
    clock: Clock
    is_current: Callable[[], bool]
    login: str
    resolve_check: Callable[[NoticeChecked], None]
    _waiting: dict[EventName, set[asyncio.Event]] = field(default_factory=dict)
    _watchers: Counter[str] = field(default_factory=Counter)

    def add_published(self, event: ParsedNotice, caller: Caller) -> None:
        """Record an event that this process has just published."""
        self.store.add_event(event, caller.system.name, self.clock())

    def consume(self, message: AmqpMessage, offset: int) -> None:
        """Apply a message of the stream, whatever its type, and wake its watchers."""
        try:
            event = read_amqp_event(message)
        except UnreadableEvent:
            return  # its publisher gets `notice.rejected`; without an event name there is no progress to show
        for name in self._apply(event, message.login, offset):
            for changed in self._waiting.get(name, ()):
                changed.set()

    def _apply(self, event: Envelope, login: str | None, offset: int) -> list[EventName]:
        if event.type in NOTICE_TYPES:
            publisher = identify_system(event, NOTICES_API_LOGIN if login == self.login else login)
            name = self.store.add_event(parse_notice(event), publisher, self.clock(), offset)
            return [name] if name else []
        try:
            message = read_message(event)
        except ContractError:
            return []  # of a later version
        if isinstance(message, NoticeChecked):
            self.resolve_check(message)
        return self.store.apply(message, event.time, offset)

    def find_published(self, event: ParsedNotice, caller: Caller) -> ProgressEntry | None:
        """Return the entry of the caller's event with this id, if any."""
        return self.store.find(caller.system.name, event_key(event.envelope.source, event.envelope.id))

    async def find(self, caller: Caller, key: str) -> ProgressEntry:
        """Return the entry of an event. Raises ApiError: NOT_FOUND, also for an event that the token may not read."""
        if self._find_readable(caller, key) is None:  # another replica may just have published it
            await self._wait_for_change((caller.system.name, key), LATE_TIMEOUT_SECONDS)
        entry = self._find_readable(caller, key)
        if entry is None:
            self._require_current()
            raise ApiError(ErrorType.NOT_FOUND)
        return entry

    def _find_readable(self, caller: Caller, key: str) -> ProgressEntry | None:
        """Return the entry if the token may read its topic; before acceptance it has neither topic nor figures."""
        entry = self.store.find(caller.system.name, key)
        topic = entry.progress.topic if entry else None
        return entry if topic is None or caller.is_for(topic) else None

    def list_notices(self, caller: Caller) -> NoticeList:
        """Return the system's notices on the topics of this token. Raises ApiError until the stream has been read."""
        self._require_current()
        notices = self.store.list_notices(caller.system.name)
        return NoticeList(notices=tuple(notice for notice in notices if caller.is_for(notice.topic)))

    def _require_current(self) -> None:
        if not self.is_current():
            raise build_retryable_error(ErrorType.UNAVAILABLE, "Earlier events are still being read.")

    async def _wait_for_change(self, name: EventName, seconds: float) -> None:
        """Return on the next change of the event or after `seconds`."""
        changed = asyncio.Event()
        self._waiting.setdefault(name, set()).add(changed)
        try:
            await wait_until_set(changed, seconds)
        finally:
            self._waiting[name].discard(changed)
            if not self._waiting[name]:
                del self._waiting[name]

    @contextmanager
    def reserve_watcher(self, caller: Caller) -> Iterator[None]:
        """Count the caller as a watcher inside the block. Raises ApiError if there are too many watchers."""
        if self._watchers[caller.token] >= MAX_WATCHERS_PER_TOKEN or self._watchers.total() >= MAX_WATCHERS:
            raise build_retryable_error(ErrorType.TOO_MANY, "Too many watchers at the same time.")
        self._watchers[caller.token] += 1
        try:
            yield
        finally:
            self._watchers[caller.token] -= 1

    async def stream_changes(
        self, caller: Caller, key: str, last_offset: int | None, poll_seconds: float
    ) -> AsyncIterator[ProgressEntry | None]:
        """Yield the entry if it is after `last_offset`, then each change; None after `poll_seconds` without a change.

        The iterator ends after the final state. A new offset with the same progress (our own event, read back from the
        stream) is not a change. A `last_offset` that the stream has not reached is that of an earlier stream.
        """
        name, last_progress = (caller.system.name, key), None
        while entry := self._find_readable(caller, key):
            if last_offset is not None and entry.offset < last_offset and self.is_current():
                last_offset = None
            if (last_offset is None or entry.offset > last_offset) and entry.progress == last_progress:
                last_offset = entry.offset
            elif last_offset is None or entry.offset > last_offset:
                last_offset, last_progress = entry.offset, entry.progress
                yield entry
                if entry.progress.is_final:
                    return
            else:
                await self._wait_for_change(name, poll_seconds)
                if self._find_readable(caller, key) is entry:
                    yield None
