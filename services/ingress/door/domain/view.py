"""All that is known of the events of the last days, for each system apart; a bounded number."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.ingress.door.domain.progress import Progress, State, after, received
from services.ingress.door.domain.receipts import event_key
from shared.contracts.envelope import Envelope
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.message import Message
from shared.municipal.identity import event_digest

MOST_EVENTS = 5_000
NOWHERE = -1
Name = tuple[str, str]


class Entry(NamedTuple):
    """What is known, and the place in the stream of what was said last; `digest` is that of the event itself, and empty
    if it did not come over HTTP.
    """

    place: int
    progress: Progress
    digest: bytes = b""

    @property
    def is_taken(self) -> bool:
        """Whether the id stands for an event; what was rejected has used none."""
        return self.progress.state is not State.REJECTED

    def is_another(self, digest: bytes) -> bool:
        """Whether an event of this name would be one that the id was not used for."""
        return self.is_taken and self.digest not in (digest, b"")

    def is_repeat(self, digest: bytes) -> bool:
        return self.is_taken and self.digest == digest


@dataclass
class View:
    """`owners` are the registered systems by their sources; of each at most `most_events` are known, the last ones."""

    owners: Mapping[str, str]
    most_events: int = MOST_EVENTS
    _entries: dict[str, OrderedDict[str, Entry]] = field(default_factory=dict)
    _broadcasts: dict[UUID, set[Name]] = field(default_factory=dict)

    def find(self, system: str, key: str) -> Entry | None:
        return self._entries[system].get(key) if system in self._entries else None

    def publish(self, event: Envelope, system: str | None, at: datetime, place: int = NOWHERE) -> Name | None:
        """An event was published by this system; its name if that is news. What was rejected begins anew."""
        if system is None or system not in self.owners.values():
            return None
        key = event_key(event.source, event.id)
        known = self.find(system, key)
        again = known is not None and known.progress.state is State.REJECTED
        if known is None or again:
            entry = Entry(place, received(event.source, event.id, event.subject or "", at), event_digest(event))
        elif known.place == NOWHERE != place:
            entry = known._replace(place=place)
        else:
            return None
        self._put(system, key, entry)
        return system, key

    def apply(self, message: Message, at: datetime, place: int) -> list[Name]:
        """Something was said; the names of the events that it was about."""
        names = list(self._about(message)) or self._accepted_elsewhere(message, at, place)
        for system, key in names:
            entry = self._entries[system][key]
            self._entries[system][key] = entry._replace(place=place, progress=after(message, entry.progress, at))
            if isinstance(message, NoticeAccepted) and message.broadcast is not None:
                self._broadcasts.setdefault(message.broadcast, set()).add((system, key))
        return names

    def _about(self, message: Message) -> Iterator[Name]:
        if isinstance(message, NoticeAccepted | NoticeRejected):
            key = event_key(message.source, message.event)
            systems = self._entries if isinstance(message, NoticeAccepted) else filter(message.is_for, self._entries)
            yield from ((system, key) for system in systems if key in self._entries[system])
        elif isinstance(broadcast := getattr(message, "broadcast", None), UUID):
            yield from self._broadcasts.get(broadcast, ())

    def _accepted_elsewhere(self, message: Message, at: datetime, place: int) -> list[Name]:
        """What a system has published over AMQP is known once it was accepted: then its source is known to be right."""
        if not isinstance(message, NoticeAccepted) or message.source not in self.owners:
            return []
        name = self.owners[message.source], event_key(message.source, message.event)
        self._put(*name, Entry(place, received(message.source, message.event, message.notice, at)))
        return [name]

    def notices(self, system: str) -> list[Progress]:
        """The last event about each notice, the newest first; a rejected one only if there is no other."""
        found: dict[tuple[str, str], Progress] = {}
        for entry in self._entries.get(system, {}).values():
            progress, name = entry.progress, (entry.progress.source, entry.progress.notice)
            before = found.get(name)
            if before is None:
                found[name] = progress
            elif progress.state is not State.REJECTED:
                del found[name]
                found[name] = msgspec.structs.replace(
                    progress, topic=progress.topic or before.topic, headline=progress.headline or before.headline
                )
        return list(reversed(found.values()))

    def _put(self, system: str, key: str, entry: Entry) -> None:
        known = self._entries.setdefault(system, OrderedDict())
        known[key] = entry
        if len(known) > self.most_events:
            self._forget(system, *known.popitem(last=False))

    def _forget(self, system: str, key: str, entry: Entry) -> None:
        broadcast = entry.progress.broadcast
        if broadcast is not None and broadcast in self._broadcasts:
            self._broadcasts[broadcast].discard((system, key))
            if not self._broadcasts[broadcast]:
                del self._broadcasts[broadcast]

    @property
    def sizes(self) -> Mapping[str, int]:
        return {system: len(known) for system, known in self._entries.items()}
