"""Events about notices and their broadcasts, for the public and the dispatcher; quarantine of rejected notices."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.subscriptions.domain.broadcast import Broadcast, Estimate
from services.subscriptions.domain.publication import Publication, build_event
from shared.contracts.envelope import Envelope, decode
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastStarted,
    NoticeAccepted,
    NoticeAction,
    NoticeChecked,
    NoticeRejected,
    Problem,
)
from shared.contracts.ids import derive_id, make_timed_id
from shared.outcome import Rejected

MAX_REASON_LENGTH = 1_000
# In the answer to a withdrawal, and in that to a check of one.
NOTHING_WITHDRAWN = "no notice with this id is known: nothing is withdrawn, and none can be published under it later"


@dataclass(frozen=True, kw_only=True)
class EventIdentity:
    """Ids of an event as far as they are readable, and its sender: the system, else the broker login."""

    event: str
    source: str
    notice: str | None
    system: str


def build_accepted(event_id: str, broadcast: Broadcast, estimate: Estimate, now: datetime) -> Publication:
    message = NoticeAccepted(
        source=broadcast.source,
        event=event_id,
        notice=broadcast.notice,
        revision=broadcast.revision,
        action=NoticeAction.PUBLISHED if broadcast.revision == 1 else NoticeAction.UPDATED,
        broadcast=broadcast.id,
        audience=estimate.audience,
        costs=estimate.costs,
        duration_seconds=estimate.duration_seconds,
        blockers=estimate.blockers,
        scheduled_at=broadcast.published_at if broadcast.scheduled else None,
        expires_at=broadcast.expires_at,
        topic=broadcast.topic,
        headline=next(field.text for field in broadcast.template.parameters if field.name == "headline"),
    )
    return _build_answer(message, now)


def build_announcement(event_id: str, broadcast: Broadcast, estimate: Estimate, now: datetime) -> Iterator[Publication]:
    """Yield the answer to a new revision, and unless its broadcast is scheduled, the event that it starts."""
    yield build_accepted(event_id, broadcast, estimate, now)
    if not broadcast.scheduled:
        yield build_broadcast_started(broadcast)


def build_withdrawn(source: str, event_id: str, notice: str, revision: int, now: datetime) -> Publication:
    """Return the answer to a withdrawal; `revision` is the newest one, 0 if there was none."""
    message = NoticeAccepted(
        source=source,
        event=event_id,
        notice=notice,
        revision=revision,
        action=NoticeAction.WITHDRAWN,
        blockers=() if revision else (NOTHING_WITHDRAWN,),
    )
    return _build_answer(message, now)


def _build_answer(message: NoticeAccepted, now: datetime) -> Publication:
    identifier = make_timed_id(now, b"accepted", message.source.encode(), message.event.encode())
    return build_event(message, identifier=identifier, at=now)


def build_checked(
    question: Envelope, problems: tuple[Problem, ...], publications: tuple[Publication, ...], now: datetime
) -> Publication:
    """Return the answer to a check, derived from the answer that the event itself would get."""
    answer = NoticeChecked(source=question.source, event=question.id, problems=problems)
    for publication in publications:
        accepted = decode(publication.body)
        if isinstance(accepted, NoticeAccepted):
            expected = msgspec.convert(accepted, NoticeChecked, from_attributes=True)
            answer = msgspec.structs.replace(expected, source=question.source, event=question.id)
    return build_event(
        answer, identifier=make_timed_id(now, b"checked", question.source.encode(), question.id.encode()), at=now
    )


def build_rejected(problems: tuple[Problem, ...], identity: EventIdentity, now: datetime) -> Publication:
    """Return the answer to a rejected event."""
    message = NoticeRejected(
        source=identity.source, event=identity.event, notice=identity.notice, system=identity.system, problems=problems
    )
    parts = (identity.system.encode(), identity.source.encode(), identity.event.encode())
    return build_event(message, identifier=make_timed_id(now, b"rejected", *parts), at=now)


def build_quarantine(problems: tuple[Problem, ...], identity: EventIdentity, now: datetime) -> Rejected:
    """Return the outcome that moves a rejected event into quarantine."""
    reason = "; ".join(f"{problem.field}: {problem.problem}" for problem in problems)
    headers = {
        "kind": "notice",
        "source": identity.source,
        "event": identity.event,
        "system": identity.system,
        "quarantined-at": now.isoformat(),
    }
    return Rejected(reason[:MAX_REASON_LENGTH], headers)


def build_broadcast_started(broadcast: Broadcast) -> Publication:
    message = BroadcastStarted(
        broadcast=broadcast.id,
        source=broadcast.source,
        notice=broadcast.notice,
        revision=broadcast.revision,
        topic=broadcast.topic,
        lane=broadcast.lane,
        expires_at=broadcast.expires_at,
    )
    return build_event(message, identifier=derive_id(broadcast.id, b"started"), at=broadcast.published_at)


def build_broadcast_cancelled(message: BroadcastCancelled, now: datetime) -> Publication:
    """Return the event that the dispatcher must receive, so that it drops what waits in its queues."""
    return build_event(message, identifier=derive_id(message.broadcast, b"cancelled"), at=now, required=True)
