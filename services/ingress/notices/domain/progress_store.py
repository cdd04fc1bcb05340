"""Progress of the events of the last days, separate for each system and bounded in number."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.ingress.notices.domain.progress import EventProgress, EventState, apply_message, start_progress
from services.ingress.notices.domain.results import event_key
from shared.contracts.envelope import Envelope
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.message import Message
from shared.notices.fingerprint import compute_fingerprint

MAX_EVENTS_PER_SYSTEM = 5_000
NOT_IN_STREAM = -1
EventName = tuple[str, str]


class ProgressEntry(NamedTuple):
    """Progress of an event, and the stream offset of the latest message about it.

    `digest` is that of the event itself, empty if the event did not come over HTTP.
    """

    place: int
    progress: EventProgress
    digest: bytes = b""

    @property
    def is_taken(self) -> bool:
        """Return whether the id is in use; a rejected event has not used it."""
        return self.progress.state is not EventState.REJECTED

    def has_other_content(self, digest: bytes) -> bool:
        """Return whether the id is in use for an event with other content."""
        return self.is_taken and self.digest not in (digest, b"")

    def is_repeat(self, digest: bytes) -> bool:
        return self.is_taken and self.digest == digest


@dataclass
class ProgressStore:
    """Store of event progress; `owners` maps sources to registered systems.

    Of each system at most `max_events` are stored, the latest ones.
    """

    owners: Mapping[str, str]
    max_events: int = MAX_EVENTS_PER_SYSTEM
    _entries: dict[str, OrderedDict[str, ProgressEntry]] = field(default_factory=dict)
    _broadcasts: dict[UUID, set[EventName]] = field(default_factory=dict)

    def find(self, system: str, key: str) -> ProgressEntry | None:
        return self._entries[system].get(key) if system in self._entries else None

    def add_event(
        self, event: Envelope, system: str | None, at: datetime, place: int = NOT_IN_STREAM
    ) -> EventName | None:
        """Add an event published by this system; return its name if it is new. A rejected event starts again."""
        if system is None or system not in self.owners.values():
            return None
        key = event_key(event.source, event.id)
        known = self.find(system, key)
        again = known is not None and known.progress.state is EventState.REJECTED
        if known is None or again:
            entry = ProgressEntry(
                place, start_progress(event.source, event.id, event.subject or "", at), compute_fingerprint(event)
            )
        elif known.place == NOT_IN_STREAM != place:
            entry = known._replace(place=place)
        else:
            return None
        self._put(system, key, entry)
        return system, key

    def apply(self, message: Message, at: datetime, place: int) -> list[EventName]:
        """Apply a message; return the names of the events that it concerns."""
        names = list(self._find_names(message)) or self._add_accepted(message, at, place)
        for system, key in names:
            entry = self._entries[system][key]
            self._entries[system][key] = entry._replace(
                place=place, progress=apply_message(message, entry.progress, at)
            )
            if isinstance(message, NoticeAccepted) and message.broadcast is not None:
                self._broadcasts.setdefault(message.broadcast, set()).add((system, key))
        return names

    def _find_names(self, message: Message) -> Iterator[EventName]:
        if isinstance(message, NoticeAccepted | NoticeRejected):
            key = event_key(message.source, message.event)
            systems = self._entries if isinstance(message, NoticeAccepted) else filter(message.is_for, self._entries)
            yield from ((system, key) for system in systems if key in self._entries[system])
        elif isinstance(broadcast := getattr(message, "broadcast", None), UUID):
            yield from self._broadcasts.get(broadcast, ())

    def _add_accepted(self, message: Message, at: datetime, place: int) -> list[EventName]:
        """Add an event published over AMQP once it was accepted: only then is its source known to be right."""
        if not isinstance(message, NoticeAccepted) or message.source not in self.owners:
            return []
        name = self.owners[message.source], event_key(message.source, message.event)
        self._put(*name, ProgressEntry(place, start_progress(message.source, message.event, message.notice, at)))
        return [name]

    def list_notices(self, system: str) -> list[EventProgress]:
        """Return the last event about each notice, newest first; a rejected event only if the notice has no other."""
        found: dict[tuple[str, str], EventProgress] = {}
        for entry in self._entries.get(system, {}).values():
            progress, name = entry.progress, (entry.progress.source, entry.progress.notice)
            before = found.get(name)
            if before is None:
                found[name] = progress
            elif progress.state is not EventState.REJECTED:
                del found[name]
                found[name] = msgspec.structs.replace(
                    progress, topic=progress.topic or before.topic, headline=progress.headline or before.headline
                )
        return list(reversed(found.values()))

    def _put(self, system: str, key: str, entry: ProgressEntry) -> None:
        known = self._entries.setdefault(system, OrderedDict())
        known[key] = entry
        if len(known) > self.max_events:
            self._drop_broadcast(system, *known.popitem(last=False))

    def _drop_broadcast(self, system: str, key: str, entry: ProgressEntry) -> None:
        broadcast = entry.progress.broadcast
        if broadcast is not None and broadcast in self._broadcasts:
            self._broadcasts[broadcast].discard((system, key))
            if not self._broadcasts[broadcast]:
                del self._broadcasts[broadcast]
