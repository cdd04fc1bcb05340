"""What a system is told of its events: now, and whenever it changes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.ingress.door.domain.judging import Caller
from services.ingress.door.domain.progress import NoticeList
from services.ingress.door.domain.receipts import event_key
from services.ingress.door.domain.refusals import Kind, Refusal, later
from services.ingress.door.domain.view import Entry, Name, View
from services.ingress.door.handlers.questions import QuestionService
from shared.contracts.envelope import ContractError, Envelope, read_message
from shared.contracts.events import NoticeChecked
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.municipal.binding import AmqpMessage
from shared.municipal.binding import read_message as read_published
from shared.municipal.identity import event_digest
from shared.municipal.reading import Unreadable
from shared.municipal.rules import system_name
from shared.municipal.systems import DOOR
from shared.runtime.clock import Clock

NOTICES = frozenset((NoticePublished.TYPE, NoticeUpdated.TYPE, NoticeWithdrawn.TYPE))
LATE_SECONDS = 0.25
AGAIN_SECONDS = 2.0
MOST_WATCHERS = 1_000
MOST_WATCHERS_OF_A_TOKEN = 20


@dataclass
class Board:
    """`is_current` says whether everything that was said has been read; `login` is ours, of every replica.

    `questions` hears what else is said.
    """

    view: View
    clock: Clock
    is_current: Callable[[], bool]
    login: str
    questions: QuestionService
    _waiting: dict[Name, set[asyncio.Event]] = field(default_factory=dict)
    _watchers: Counter[str] = field(default_factory=Counter)

    def published(self, event: Envelope, caller: Caller) -> None:
        """We have just published it ourselves."""
        self.view.publish(event, caller.system.name, self.clock())

    def hear(self, message: AmqpMessage, place: int) -> None:
        """What stands at a place of the stream, whatever it is."""
        try:
            event = read_published(message)
        except Unreadable:
            return  # whoever published it is told by `notice.rejected`, and it has no name that we could show
        for name in self._names(event, message.login, place):
            for waiting in self._waiting.get(name, ()):
                waiting.set()

    def _names(self, event: Envelope, login: str | None, place: int) -> list[Name]:
        if event.type in NOTICES:
            publisher = system_name(event, DOOR if login == self.login else login)
            name = self.view.publish(event, publisher, self.clock(), place)
            return [name] if name else []
        try:
            message = read_message(event)
        except ContractError:
            return []  # of a later version
        if isinstance(message, NoticeChecked):
            self.questions.hear(message)
        return self.view.apply(message, event.time, place)

    def is_used(self, event: Envelope, caller: Caller) -> bool:
        """Whether its id stands for another event already, as far as we know."""
        known = self.view.find(caller.system.name, event_key(event.source, event.id))
        return known is not None and known.is_another(event_digest(event))

    def is_repeat(self, event: Envelope, caller: Caller) -> bool:
        """Whether the same event came before and was not rejected: then it is answered again, however late it is."""
        known = self.view.find(caller.system.name, event_key(event.source, event.id))
        return known is not None and known.is_repeat(event_digest(event))

    async def find(self, caller: Caller, key: str) -> Entry:
        """What is known. Raises Refusal: not found for what is another's, too."""
        name = caller.system.name, key
        entry = self.view.find(*name) or await self._late(name)
        if entry is None:
            self._require_current()
            raise Refusal(Kind.NOT_FOUND)
        return entry

    def list_notices(self, caller: Caller) -> NoticeList:
        """The system's own, about the topics of this token. Raises Refusal while not all have been read."""
        self._require_current()
        found = self.view.notices(caller.system.name)
        shown = [each for each in found if not caller.narrowed or each.topic in caller.system.topics]
        return NoticeList(notices=tuple(shown))

    def _require_current(self) -> None:
        if not self.is_current():
            raise later(Kind.UNAVAILABLE, "What was published before is still being read.", AGAIN_SECONDS)

    async def _late(self, name: Name) -> Entry | None:
        """It may have been published elsewhere, a moment ago."""
        await self._change(name, LATE_SECONDS)
        return self.view.find(*name)

    async def _change(self, name: Name, seconds: float) -> None:
        """Return when something new was said, or the time is over."""
        changed = asyncio.Event()
        self._waiting.setdefault(name, set()).add(changed)
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[name].discard(changed)
            if not self._waiting[name]:
                del self._waiting[name]

    @contextmanager
    def watching(self, caller: Caller) -> Iterator[None]:
        """A place among those who watch. Raises Refusal if there is none."""
        if self._watchers[caller.token] >= MOST_WATCHERS_OF_A_TOKEN or self._watchers.total() >= MOST_WATCHERS:
            raise later(Kind.TOO_MANY, "Too many watch at the same time.", AGAIN_SECONDS)
        self._watchers[caller.token] += 1
        try:
            yield
        finally:
            self._watchers[caller.token] -= 1

    async def changes(self, caller: Caller, key: str, seen: int | None, pause: float) -> AsyncIterator[Entry | None]:
        """What is known unless it was `seen`, and each change until the last; None after each `pause` without one.

        An event that moves on in the stream and says nothing new (our own, when it comes back to us) is no change.
        """
        name, told = (caller.system.name, key), None
        while entry := self.view.find(*name):
            if (seen is None or entry.place > seen) and entry.progress == told:
                seen = entry.place
            elif seen is None or entry.place > seen:
                seen, told = entry.place, entry.progress
                yield entry
                if entry.progress.is_final:
                    return
            else:
                await self._change(name, pause)
                current = self.view.find(*name)
                if current is not None and current.place == seen:
                    yield None
