"""Progress of published events: the effect of each message, and a store of the events of the last days."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
)
from shared.contracts.message import Message
from shared.contracts.notices_http import EventProgress, EventState, event_key, start_progress
from shared.notices.rules import ParsedNotice

MAX_EVENTS_PER_SYSTEM = 5_000
NOT_IN_STREAM = -1
EventName = tuple[str, str]


def apply_message(message: Message, progress: EventProgress, time: datetime) -> EventProgress:
    """Return the progress after a message sent at `time`; most messages do not change it."""
    match message:
        case NoticeAccepted():
            return _apply_acceptance(message, progress, time)
        case NoticeRejected(problems=problems):
            state = EventState.REJECTED if progress.state is EventState.RECEIVED else progress.state
            return msgspec.structs.replace(progress, state=state, problems=problems, changed_at=time)
        case BroadcastStarted() if progress.scheduled_at is None or progress.scheduled_at <= time:
            return _move_to(progress, EventState.SENDING, time)
        case BroadcastProgressed(audience=audience, states=states, person_limited=limited, failures=failures):
            figures = {"audience": audience, "states": states, "person_limited": limited, "failures": failures}
            return _move_to(progress, EventState.SENDING, time, **figures)
        case BroadcastFinished(audience=audience, states=states, failures=failures):
            figures = {"audience": audience, "states": states, "person_limited": 0, "failures": failures}
            return _move_to(progress, EventState.FINISHED, time, **figures)
        case BroadcastCancelled(reason=reason) if not progress.is_final:
            return _move_to(progress, EventState.CANCELLED, time, reason=reason)
        case _:
            return progress


def _apply_acceptance(message: NoticeAccepted, progress: EventProgress, time: datetime) -> EventProgress:
    """Apply an acceptance; a repeated one does not undo later progress."""
    fresh = progress.state in (EventState.RECEIVED, EventState.REJECTED)
    return msgspec.structs.replace(
        progress,
        state=_derive_state(message, time) if fresh else progress.state,
        changed_at=time,
        action=message.action,
        revision=message.revision,
        broadcast=message.broadcast,
        audience=message.audience if fresh else progress.audience,
        costs=message.costs,
        duration_seconds=message.duration_seconds,
        blockers=message.blockers,
        scheduled_at=message.scheduled_at,
        expires_at=message.expires_at,
        topic=message.topic,
        headline=message.headline,
        problems=(),
    )


def _derive_state(message: NoticeAccepted, time: datetime) -> EventState:
    if message.action is NoticeAction.WITHDRAWN:
        return EventState.DONE
    is_scheduled = message.scheduled_at is not None and message.scheduled_at > time
    return EventState.SCHEDULED if is_scheduled else EventState.ACCEPTED


def _move_to(progress: EventProgress, state: EventState, time: datetime, **changes: object) -> EventProgress:
    """Set the state unless the current one is final; figures may still change after that."""
    state = progress.state if progress.is_final else state
    return msgspec.structs.replace(progress, state=state, changed_at=time, **changes)


class ProgressEntry(NamedTuple):
    """Progress of an event, and the stream offset of the latest message about it.

    `digest` is the fingerprint of the event, empty if it was not published over HTTP.
    """

    offset: int
    progress: EventProgress
    digest: bytes = b""

    @property
    def is_taken(self) -> bool:
        """Return whether the id is in use; a rejected event does not use it up."""
        return self.progress.state is not EventState.REJECTED

    def has_other_content(self, digest: bytes) -> bool:
        """Return whether the id is in use for an event with other content."""
        return self.is_taken and self.digest not in (digest, b"")

    def is_repeat(self, digest: bytes) -> bool:
        return self.is_taken and self.digest == digest


@dataclass
class ProgressStore:
    """Store of event progress, separate for each system; `owners` maps sources to registered systems.

    At most the latest `max_events` of each system are stored.
    """

    owners: Mapping[str, str]
    max_events: int = MAX_EVENTS_PER_SYSTEM
    _entries: dict[str, OrderedDict[str, ProgressEntry]] = field(default_factory=dict)
    _broadcasts: dict[UUID, set[EventName]] = field(default_factory=dict)

    def find(self, system: str, key: str) -> ProgressEntry | None:
        return self._entries[system].get(key) if system in self._entries else None

    def add_event(
        self, event: ParsedNotice, system: str | None, time: datetime, offset: int = NOT_IN_STREAM
    ) -> EventName | None:
        """Add an event published by this system; return its name if it is new. A rejected event starts afresh."""
        if system is None or system not in self.owners.values():
            return None
        envelope = event.envelope
        key = event_key(envelope.source, envelope.id)
        existing = self.find(system, key)
        if existing is None or existing.progress.state is EventState.REJECTED:
            progress = start_progress(envelope.source, envelope.id, envelope.subject or "", time)
            entry = ProgressEntry(offset, progress, event.fingerprint)
        elif existing.offset == NOT_IN_STREAM != offset:
            entry = existing._replace(offset=offset)
        else:
            return None
        self._put(system, key, entry)
        return system, key

    def apply(self, message: Message, time: datetime, offset: int) -> list[EventName]:
        """Apply a message; return the names of the events that it concerns."""
        names = list(self._find_names(message)) or self._add_accepted(message, time, offset)
        for system, key in names:
            entry = self._entries[system][key]
            self._entries[system][key] = entry._replace(
                offset=offset, progress=apply_message(message, entry.progress, time)
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

    def _add_accepted(self, message: Message, time: datetime, offset: int) -> list[EventName]:
        """Add an event published over AMQP when it is accepted: before that its source is not verified."""
        if not isinstance(message, NoticeAccepted) or message.source not in self.owners:
            return []
        name = self.owners[message.source], event_key(message.source, message.event)
        self._put(*name, ProgressEntry(offset, start_progress(message.source, message.event, message.notice, time)))
        return [name]

    def list_notices(self, system: str) -> list[EventProgress]:
        """Return the last event about each notice, newest first; a rejected event only if the notice has no other."""
        latest: dict[tuple[str, str], EventProgress] = {}
        for entry in self._entries.get(system, {}).values():
            progress, name = entry.progress, (entry.progress.source, entry.progress.notice)
            before = latest.get(name)
            if before is None:
                latest[name] = progress
            elif progress.state is not EventState.REJECTED or before.state is EventState.REJECTED:
                del latest[name]  # so that it moves to the end
                latest[name] = msgspec.structs.replace(
                    progress, topic=progress.topic or before.topic, headline=progress.headline or before.headline
                )
        return list(reversed(latest.values()))

    def _put(self, system: str, key: str, entry: ProgressEntry) -> None:
        entries = self._entries.setdefault(system, OrderedDict())
        entries[key] = entry
        entries.move_to_end(key)  # what was rejected and is published again is new
        if len(entries) > self.max_events:
            self._drop_broadcast(system, *entries.popitem(last=False))

    def _drop_broadcast(self, system: str, key: str, entry: ProgressEntry) -> None:
        broadcast = entry.progress.broadcast
        if broadcast is not None and broadcast in self._broadcasts:
            self._broadcasts[broadcast].discard((system, key))
            if not self._broadcasts[broadcast]:
                del self._broadcasts[broadcast]
