"""Progress of a system's events: the current state, and every change."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.ingress.notices.errors import ApiError, ErrorType, build_retryable_error
from services.ingress.notices.progress import EventName, NoticeList, ProgressEntry, ProgressStore, event_key
from services.ingress.notices.validation import Caller
from shared.contracts.envelope import ContractError, Envelope, read_message
from shared.contracts.events import NoticeChecked
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

    def consume(self, message: AmqpMessage, place: int) -> None:
        """Apply the message at offset `place` of the stream, whatever its type, and wake its watchers."""
        try:
            event = read_amqp_event(message)
        except UnreadableEvent:
            return  # its publisher gets `notice.rejected`; without an event name there is no progress to show
        for name in self._apply(event, message.login, place):
            for waiting in self._waiting.get(name, ()):
                waiting.set()

    def _apply(self, event: Envelope, login: str | None, place: int) -> list[EventName]:
        if event.type in NOTICE_TYPES:
            publisher = identify_system(event, NOTICES_API_LOGIN if login == self.login else login)
            name = self.store.add_event(parse_notice(event), publisher, self.clock(), place)
            return [name] if name else []
        try:
            message = read_message(event)
        except ContractError:
            return []  # of a later version
        if isinstance(message, NoticeChecked):
            self.resolve_check(message)
        return self.store.apply(message, event.time, place)

    def find_published(self, event: ParsedNotice, caller: Caller) -> ProgressEntry | None:
        """Return what is known of the caller's event with this id."""
        return self.store.find(caller.system.name, event_key(event.envelope.source, event.envelope.id))

    async def find(self, caller: Caller, key: str) -> ProgressEntry:
        """Return the entry of an event. Raises ApiError: not found, also for an event that is not the token's."""
        if self._find_readable(caller, key) is None:  # another replica may just have published it
            await self._wait_for_change((caller.system.name, key), LATE_TIMEOUT_SECONDS)
        entry = self._find_readable(caller, key)
        if entry is None:
            self._require_current()
            raise ApiError(ErrorType.NOT_FOUND)
        return entry

    def _find_readable(self, caller: Caller, key: str) -> ProgressEntry | None:
        """Return the entry, unless it is on a topic of other tokens; before its acceptance it has none, nor figures."""
        entry = self.store.find(caller.system.name, key)
        topic = entry.progress.topic if entry else None
        return entry if topic is None or caller.is_for(topic) else None

    def list_notices(self, caller: Caller) -> NoticeList:
        """Return the system's notices on the topics of this token. Raises ApiError until the stream has been read."""
        self._require_current()
        found = self.store.list_notices(caller.system.name)
        return NoticeList(notices=tuple(each for each in found if caller.is_for(each.topic)))

    def _require_current(self) -> None:
        if not self.is_current():
            raise build_retryable_error(ErrorType.UNAVAILABLE, "What was published before is still being read.")

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
            raise build_retryable_error(ErrorType.TOO_MANY, "Too many watch at the same time.")
        self._watchers[caller.token] += 1
        try:
            yield
        finally:
            self._watchers[caller.token] -= 1

    async def stream_changes(
        self, caller: Caller, key: str, seen: int | None, pause: float
    ) -> AsyncIterator[ProgressEntry | None]:
        """Yield the entry unless it was `seen`, then each change up to the last; None after a `pause` without one.

        An entry whose place in the stream moves but whose progress is the same is no change (our own event, read back).
        """
        name, told = (caller.system.name, key), None
        while entry := self._find_readable(caller, key):
            if (seen is None or entry.place > seen) and entry.progress == told:
                seen = entry.place
            elif seen is None or entry.place > seen:
                seen, told = entry.place, entry.progress
                yield entry
                if entry.progress.is_final:
                    return
            else:
                await self._wait_for_change(name, pause)
                current = self._find_readable(caller, key)
                if current is not None and current.place == seen:
                    yield None
