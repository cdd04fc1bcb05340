"""Rejection and quarantine of events that cannot be executed."""

from dataclasses import dataclass
from datetime import datetime

from services.subscriptions.domain import notice_events
from services.subscriptions.domain.publication import Publication
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.notices.cloudevents import UnreadableEvent
from shared.outcome import Rejected

KIND = "notice"
MAX_REASON_LENGTH = 1_000


@dataclass(frozen=True, kw_only=True)
class EventIdentity:
    """Ids of an event as far as they can be read, and its sender: the system, else the broker login."""

    event: str
    source: str
    notice: str | None
    system: str

    @classmethod
    def extract(cls, envelope: Envelope, system: str | None) -> "EventIdentity":
        subject = (envelope.subject or "")[:100] or None
        return cls(event=envelope.id, source=envelope.source, notice=subject, system=system or "")

    @classmethod
    def extract_from_error(cls, error: UnreadableEvent, login: str | None) -> "EventIdentity":
        return cls(event=error.event, source=error.source, notice=error.subject, system=login or "")


def build_rejection(problems: tuple[Problem, ...], named: EventIdentity, now: datetime) -> Publication:
    """Return the answer to a rejected event."""
    return notice_events.build_rejected(
        problems, source=named.source, event_id=named.event, notice=named.notice, system=named.system, now=now
    )


def build_quarantine(problems: tuple[Problem, ...], named: EventIdentity, now: datetime) -> Rejected:
    """Return the outcome that moves a rejected event into quarantine."""
    reason = "; ".join(f"{problem.field}: {problem.problem}" for problem in problems)
    headers = {
        "kind": KIND,
        "source": named.source,
        "event": named.event,
        "system": named.system,
        "quarantined-at": now.isoformat(),
    }
    return Rejected(reason[:MAX_REASON_LENGTH], headers)
