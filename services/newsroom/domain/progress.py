"""Progress of a broadcast in terms of recipients: who has it, who waits, who did not get it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.newsroom.domain.outbox import PendingNotice
from shared.contracts.dispatch import PermittedHours
from shared.contracts.events import FailureCount
from shared.contracts.hours import find_opening
from shared.contracts.message import Lane

_WAITING = ("waiting", "claimed")


class BroadcastPhase(StrEnum):
    """Phase of a broadcast."""

    PLANNED = "planned"
    SENDING = "sending"
    STOPPED = "stopped"
    FINISHED = "finished"
    CANCELLED = "cancelled"


PHASE_NAMES: Mapping[BroadcastPhase, str] = {
    BroadcastPhase.PLANNED: "angenommen",
    BroadcastPhase.SENDING: "wird gesendet",
    BroadcastPhase.STOPPED: "angehalten",
    BroadcastPhase.FINISHED: "abgeschlossen",
    BroadcastPhase.CANCELLED: "beendet, bevor alle sie hatten",
}
SCHEDULED_NAME, WITHDRAWN_NAME, WAITING_NAME = "geplant", "zurückgezogen", "wartet"
_NOT_RECALLED = "Wer sie noch nicht hat, bekommt sie nicht mehr. Wer sie schon hat, behält sie."
_ALL_REVISIONS = (
    "Zurückgezogen wird die ganze Meldung, auch was von ihr schon gesendet ist. Schreiben Sie dann eine Entwarnung."
)
_STAYS_IN_ARCHIVE = "Im Archiv bleibt die Meldung mit dem Vermerk „Zurückgezogen“ lesbar."
# States that a withdrawal no longer affects.
_UNAFFECTED_STATES = ("accepted", "sent", "delivered", "read", "suppressed")
# States of the recipients of a follow-up; a message with an unknown outcome may have arrived.
_HOLDER_STATES = ("accepted", "sent", "delivered", "read", "unknown")

STOP_NAMES: Mapping[str, str] = {
    "broadcast": "Diese Aussendung ist angehalten.",
    "template": "WhatsApp nimmt die Vorlage dieser Meldung gerade nicht an.",
    "sending": "Der gesamte Versand ist angehalten.",
}


def name_broadcast(headline: str | None, notice: str | None, revision: int | None) -> str:
    """Return a name for a broadcast that distinguishes the revisions of a notice, in German."""
    name = headline or notice or "Aussendung"
    return f"{name}, {revision}. Fassung" if revision and revision > 1 else name


@dataclass(frozen=True, kw_only=True)
class BroadcastStatus:
    """State of a broadcast according to our events; None is not known yet.

    `stop_cause` is what is paused (the broadcast, its template, or all sending), or that the broadcast was cancelled.
    `withdrawn_at` is when its notice was withdrawn; those who have received it keep it. `withdrawn_by` and
    `withdrawal_reason` are known only for withdrawals made here. `is_replaced` is whether a newer revision is sent
    instead, or to those who have this one.
    """

    id: UUID
    notice: str | None = None
    revision: int | None = None
    topic: str | None = None
    headline: str | None = None
    lane: str | None = None
    audience: int | None = None
    states: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[FailureCount, ...] = ()
    person_limited: int = 0
    accepted_at: datetime | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancelled_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None
    is_replaced: bool = False
    stop_cause: str | None = None
    stop_reason: str | None = None

    @property
    def name(self) -> str:
        return name_broadcast(self.headline, self.notice, self.revision)

    @property
    def phase(self) -> BroadcastPhase:
        # A finished broadcast may still be replaced or withdrawn. That an operator cancelled it is an event only while
        # its recipients are being read.
        is_cut = self.states.get("cancelled") and self.finished_at
        if is_cut or (self.cancelled_at and not self.finished_at) or self.stop_cause == "cancelled":
            return BroadcastPhase.CANCELLED
        if self.finished_at and not any(self.states.get(state) for state in _WAITING):
            return BroadcastPhase.FINISHED
        if self.stop_cause:
            return BroadcastPhase.STOPPED
        return BroadcastPhase.SENDING if self.was_begun else BroadcastPhase.PLANNED

    @property
    def is_final(self) -> bool:
        return self.phase in (BroadcastPhase.FINISHED, BroadcastPhase.CANCELLED)

    @property
    def was_begun(self) -> bool:
        return self.started_at is not None or bool(self.states)

    @property
    def phase_name(self) -> str:
        if self.phase is BroadcastPhase.PLANNED and self.is_planned:
            return SCHEDULED_NAME
        if self.phase is BroadcastPhase.STOPPED and self.stop_cause == "sending":
            return WAITING_NAME
        return WITHDRAWN_NAME if self.is_over else PHASE_NAMES[self.phase]

    @property
    def is_planned(self) -> bool:
        """Return whether it is scheduled and has not begun."""
        return self.scheduled_at is not None and not self.was_begun

    @property
    def is_over(self) -> bool:
        """Return whether it has ended and its notice was withdrawn."""
        return self.is_final and self.withdrawn_at is not None

    def is_later(self, other: "BroadcastStatus") -> bool:
        """Return whether it was published after the other one; without these events it counts as the oldest."""
        mine, theirs = (status.accepted_at or status.started_at for status in (self, other))
        return mine is not None and (theirs is None or mine > theirs)

    @property
    def stop_name(self) -> str:
        return STOP_NAMES.get(self.stop_cause or "", "")

    @property
    def waiting(self) -> int:
        """Return how many still wait, including those that no event has counted yet."""
        return self.states.get("claimed", 0) + (0 if self._is_dropped else self._unsent)

    @property
    def cancelled(self) -> int:
        """Return how many will not get it any more, whether or not the ledger has counted them."""
        return self.states.get("cancelled", 0) + (self._unsent if self._is_dropped else 0)

    @property
    def is_settled(self) -> bool:
        """Return whether it has ended and nobody waits for it."""
        return self.is_final and not self.waiting

    @property
    def has_everybody(self) -> bool:
        """Return whether everybody who still wants it has received it."""
        counts = [self.states.get(state, 0) for state in _UNAFFECTED_STATES]
        has_anybody = sum(counts) > self.states.get("suppressed", 0)
        return has_anybody and self.is_settled and sum(counts) == sum(self.states.values())

    @property
    def holders(self) -> int:
        """Return how many have received it, or may have."""
        return sum(self.states.get(state, 0) for state in _HOLDER_STATES)

    @property
    def is_counted(self) -> bool:
        """Return whether events suffice to count its recipients so far and to come."""
        if not self.is_final:
            return self.audience is not None
        if not self.was_begun:
            return self.cancelled_at is not None
        return self.finished_at is not None and not (self.states.get("claimed") or self.states.get("waiting"))

    @property
    def _is_dropped(self) -> bool:
        """Return whether it was withdrawn, replaced or ended by an operator before its end.

        If it never began, no more events follow; while all sending is paused, none until it is resumed.
        """
        return self.finished_at is None and (self.cancelled_at is not None or self.stop_cause == "cancelled")

    @property
    def _unsent(self) -> int:
        return self.states.get("waiting", 0) + max((self.audience or 0) - sum(self.states.values()), 0)

    @property
    def done(self) -> int:
        """Return how many neither wait nor were cancelled."""
        return max((self.audience or sum(self.states.values())) - self.waiting - self.cancelled, 0)

    @property
    def percent(self) -> int:
        """Return the processed share of the audience; 100 only if nobody waits or was cancelled."""
        total = self.audience or sum(self.states.values())
        return 100 * self.done // total if total else (100 if self.is_final else 0)


@dataclass(frozen=True, kw_only=True)
class BroadcastList:
    """A page of broadcasts, and the notices about to become one, each newest first."""

    pending: tuple[PendingNotice, ...]
    broadcasts: tuple[BroadcastStatus, ...]
    has_more: bool = False

    @property
    def is_moving(self) -> bool:
        return bool(self.pending) or any(not broadcast.is_final for broadcast in self.broadcasts)


def find_continuation(status: BroadcastStatus, hours: PermittedHours | None, now: datetime) -> datetime | None:
    """Return when sending goes on if it waits for the permitted hours, else None."""
    if hours is None or status.phase is not BroadcastPhase.SENDING or status.lane != Lane.BULK:
        return None
    opening = find_opening(hours.opens, hours.closes, hours.zone, now)
    return opening if opening > now else None


def explain_withdrawal(status: BroadcastStatus | None, *, is_correction: bool = False) -> str:
    """Explain the effect of withdrawing its notice, in German; None means a notice that is not a broadcast yet."""
    if status is None:
        return f"{_NOT_RECALLED} {_ALL_REVISIONS}" if is_correction else _NOT_RECALLED
    if status.has_everybody:
        effect = "Alle haben sie schon: Zurückziehen ändert daran nichts. Schreiben Sie eine Entwarnung."
    elif status.phase is BroadcastPhase.FINISHED and status.is_settled:
        effect = "Niemand wartet mehr auf sie, und wer sie hat, behält sie. Schreiben Sie eine Entwarnung."
    else:
        effect = _NOT_RECALLED
    return f"{effect} {_STAYS_IN_ARCHIVE}" if status.started_at else effect


@dataclass(frozen=True, kw_only=True)
class FollowUpAudience:
    """Audience of a follow-up; `waiting` of them have yet to receive the first notice, and will get that before.

    With `is_maximum`, some may be counted twice.
    """

    people: int
    waiting: int
    is_maximum: bool


def count_followers(revisions: Sequence[BroadcastStatus]) -> FollowUpAudience | None:
    """Return the audience of a follow-up to the notice with these revisions; None if it cannot be known.

    A follow-up goes to the recipients of any revision. Their numbers are added up, as each may be for other
    municipalities.
    """
    if not revisions or not all(revision.is_counted for revision in revisions):
        return None
    waiting = [0 if revision.is_final else revision.waiting for revision in revisions]
    people = [revision.holders + count for revision, count in zip(revisions, waiting, strict=True)]
    return FollowUpAudience(people=sum(people), waiting=sum(waiting), is_maximum=sum(map(bool, people)) > 1)


@dataclass(frozen=True)
class AccountLine:
    """Line of a broadcast's account: a state in plain words, and its number of recipients."""

    state: str
    name: str
    explanation: str
    count: int


_NAMES: Mapping[str, tuple[str, str]] = {
    "read": ("gelesen", "Die Meldung wurde geöffnet."),
    "delivered": ("zugestellt", "Die Meldung ist auf dem Telefon; ob sie gelesen wurde, ist nicht bekannt."),
    "sent": ("unterwegs", "WhatsApp stellt die Meldung zu, sobald das Telefon erreichbar ist."),
    "accepted": ("übergeben", "WhatsApp hat die Meldung angenommen."),
    "waiting": ("warten noch", "Diese Personen bekommen die Meldung noch."),
    "unknown": ("ungeklärt", "WhatsApp hat nicht geantwortet. Ob die Meldung ankam, klärt sich meist von selbst."),
    "failed": ("nicht erreicht", "WhatsApp konnte oder wollte nicht zustellen."),
    "suppressed": ("abgemeldet", "Diese Personen haben sich inzwischen abgemeldet."),
    "expired": ("zu spät", "Die Gültigkeit endete, bevor sie an der Reihe waren."),
    "cancelled": ("nicht mehr gesendet", "Die Meldung wurde vorher zurückgezogen, korrigiert oder beendet."),
}


def list_account(status: BroadcastStatus) -> tuple[AccountLine, ...]:
    """Return the number of recipients per state, in plain words; the counts add up to the audience."""
    counts = {name: status.states.get(name, 0) for name in _NAMES}
    counts |= {"waiting": status.waiting, "cancelled": status.cancelled}
    other = sum(count for state, count in status.states.items() if state not in (*_NAMES, *_WAITING))
    lines = [AccountLine(name, *_NAMES[name], count) for name, count in counts.items() if count]
    return (*lines, AccountLine("other", "anderes", "", other)) if other else tuple(lines)
