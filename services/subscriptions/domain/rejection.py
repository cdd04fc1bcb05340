"""What is said and kept about an event that cannot be obeyed."""

from dataclasses import dataclass
from datetime import datetime

from services.subscriptions.domain import announcements
from services.subscriptions.domain.publication import Publication
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.municipal.reading import Unreadable
from shared.outcome import Rejected

KIND = "notice"
LONGEST_REASON = 1_000


@dataclass(frozen=True, kw_only=True)
class Named:
    """What an event is called as far as that can be read, and who sent it: the system, else the broker login."""

    event: str
    source: str
    notice: str | None
    system: str

    @classmethod
    def of(cls, envelope: Envelope, system: str | None) -> "Named":
        subject = (envelope.subject or "")[:100] or None
        return cls(event=envelope.id, source=envelope.source, notice=subject, system=system or "")

    @classmethod
    def unreadable(cls, error: Unreadable, login: str | None) -> "Named":
        return cls(event=error.event, source=error.source, notice=error.subject, system=login or "")


def told(problems: tuple[Problem, ...], named: Named, now: datetime) -> Publication:
    """The answer."""
    return announcements.rejected(
        problems, source=named.source, event_id=named.event, notice=named.notice, system=named.system, now=now
    )


def kept(problems: tuple[Problem, ...], named: Named, now: datetime) -> Rejected:
    """What goes into quarantine."""
    reason = "; ".join(f"{problem.field}: {problem.problem}" for problem in problems)
    headers = {
        "kind": KIND,
        "source": named.source,
        "event": named.event,
        "system": named.system,
        "quarantined-at": now.isoformat(),
    }
    return Rejected(reason[:LONGEST_REASON], headers)
