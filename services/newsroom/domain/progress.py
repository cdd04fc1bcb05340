"""Progress of a broadcast, in the words of an editor: who has it, who waits, who did not get it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.newsroom.domain.outbox import PendingNotice
from shared.contracts.events import FailureCount

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
_SPARES = "Wer sie noch nicht hat, bekommt sie nicht mehr. Wer sie schon hat, behält sie."
_WHOLE = (
    "Zurückgezogen wird die ganze Meldung, auch was von ihr schon gesendet ist. Schreiben Sie dann eine Entwarnung."
)
_STAYS = "Im Archiv bleibt die Meldung mit dem Vermerk „Zurückgezogen“ lesbar."
# States of those whom a withdrawal does not concern any more.
_SERVED = ("accepted", "sent", "delivered", "read", "suppressed")
# States of those to whom a follow-up goes; what is unknown may have arrived.
_HELD = ("accepted", "sent", "delivered", "read", "unknown")

STOP_NAMES: Mapping[str, str] = {
    "broadcast": "Diese Aussendung ist angehalten.",
    "template": "WhatsApp nimmt die Vorlage dieser Meldung gerade nicht an.",
    "sending": "Der gesamte Versand ist angehalten.",
}


def name_broadcast(headline: str | None, notice: str | None, revision: int | None) -> str:
    """Return what a broadcast is called where its revisions stand side by side, in German."""
    name = headline or notice or "Aussendung"
    return f"{name}, {revision}. Fassung" if revision and revision > 1 else name


@dataclass(frozen=True, kw_only=True)
class BroadcastStatus:
    """State of a broadcast as our events have told it; None is what they have not.

    `stop_cause` says what is paused, if anything is: the broadcast, its template, or all sending; or that the broadcast
    was cancelled. `withdrawn_at` is that of the notice: whoever has got a revision of it before keeps it. Who withdrew
    it, and why, is known of what was withdrawn here. `is_replaced` is whether a newer revision is sent instead, or to
    those who have this one.
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
        # A notice that everybody has got may still be replaced or withdrawn; no event tells that an operator ended it.
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
        """Return whether it has a time, and was not begun."""
        return self.scheduled_at is not None and not self.was_begun

    @property
    def is_over(self) -> bool:
        """Return whether it has ended, and its notice was withdrawn."""
        return self.is_final and self.withdrawn_at is not None

    def is_later(self, other: "BroadcastStatus") -> bool:
        """Return whether it was published after the other one; events that are still missing count as the oldest."""
        mine, theirs = (each.accepted_at or each.started_at for each in (self, other))
        return mine is not None and (theirs is None or mine > theirs)

    @property
    def stop_name(self) -> str:
        return STOP_NAMES.get(self.stop_cause or "", "")

    @property
    def waiting(self) -> int:
        """Return how many still wait; what no event has counted yet waits, too."""
        return self.states.get("claimed", 0) + (0 if self._is_dropped else self._unsent)

    @property
    def cancelled(self) -> int:
        """Return how many are not sent it any more, whether the ledger has counted them yet or never will."""
        return self.states.get("cancelled", 0) + (self._unsent if self._is_dropped else 0)

    @property
    def is_settled(self) -> bool:
        """Return whether it has ended and nobody waits."""
        return self.is_final and not self.waiting

    @property
    def has_everybody(self) -> bool:
        """Return whether all who want it have got it."""
        counts = [self.states.get(state, 0) for state in _SERVED]
        has_anybody = sum(counts) > self.states.get("suppressed", 0)
        return has_anybody and self.is_settled and sum(counts) == sum(self.states.values())

    @property
    def holders(self) -> int:
        """Return how many have got it, or may have."""
        return sum(self.states.get(state, 0) for state in _HELD)

    @property
    def is_counted(self) -> bool:
        """Return whether events have told how many have it, or how many it still goes to."""
        if not self.is_final:
            return self.audience is not None
        if not self.was_begun:
            return self.cancelled_at is not None
        return self.finished_at is not None and not (self.states.get("claimed") or self.states.get("waiting"))

    @property
    def _is_dropped(self) -> bool:
        """Return whether it was withdrawn or replaced before its end; of one that never began nothing more is told."""
        return self.cancelled_at is not None and self.finished_at is None

    @property
    def _unsent(self) -> int:
        return self.states.get("waiting", 0) + max((self.audience or 0) - sum(self.states.values()), 0)

    @property
    def done(self) -> int:
        """Return how many neither wait nor were dropped by a withdrawal or a correction."""
        return max((self.audience or sum(self.states.values())) - self.waiting - self.cancelled, 0)

    @property
    def percent(self) -> int:
        """Return how much of the audience is dealt with; 100 only when nobody waits or was dropped."""
        whole = self.audience or sum(self.states.values())
        return 100 * self.done // whole if whole else (100 if self.is_final else 0)


@dataclass(frozen=True, kw_only=True)
class BroadcastList:
    """A page of broadcasts, and what is on its way to become one, each newest first."""

    pending: tuple[PendingNotice, ...]
    broadcasts: tuple[BroadcastStatus, ...]
    has_more: bool = False

    @property
    def is_moving(self) -> bool:
        return bool(self.pending) or any(not each.is_final for each in self.broadcasts)


def explain_withdrawal(status: BroadcastStatus | None, *, is_correction: bool = False) -> str:
    """Return what withdrawing its notice does, in German; None is one that is no broadcast yet."""
    if status is None:
        return f"{_SPARES} {_WHOLE}" if is_correction else _SPARES
    if status.has_everybody:
        does = "Alle haben sie schon: Zurückziehen ändert daran nichts. Schreiben Sie eine Entwarnung."
    elif status.phase is BroadcastPhase.FINISHED and status.is_settled:
        does = "Niemand wartet mehr auf sie, und wer sie hat, behält sie. Schreiben Sie eine Entwarnung."
    else:
        does = _SPARES
    return f"{does} {_STAYS}" if status.started_at else does


@dataclass(frozen=True, kw_only=True)
class FollowUpAudience:
    """People to whom a follow-up goes; `waiting` of them have not got the first notice yet, and get it before.

    With `is_maximum` some may be counted twice.
    """

    people: int
    waiting: int
    is_maximum: bool


def count_followers(revisions: Sequence[BroadcastStatus]) -> FollowUpAudience | None:
    """Return to how many a follow-up of the notice with these revisions goes; None if nobody can know.

    It goes to whoever has any of them. Each may be for other municipalities, so that they are added up.
    """
    if not revisions or not all(each.is_counted for each in revisions):
        return None
    waiting = [0 if each.is_final else each.waiting for each in revisions]
    people = [each.holders + more for each, more in zip(revisions, waiting, strict=True)]
    return FollowUpAudience(people=sum(people), waiting=sum(waiting), is_maximum=sum(map(bool, people)) > 1)


@dataclass(frozen=True)
class AccountLine:
    """Line of a broadcast's account: a state in plain words, and how many recipients are in it."""

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
    "cancelled": ("nicht mehr gesendet", "Die Meldung wurde vorher zurückgezogen oder korrigiert."),
}


def list_account(status: BroadcastStatus) -> tuple[AccountLine, ...]:
    """Return every recipient's state, in plain words; the counts add up to the audience."""
    counts = {name: status.states.get(name, 0) for name in _NAMES}
    counts |= {"waiting": status.waiting, "cancelled": status.cancelled}
    other = sum(count for state, count in status.states.items() if state not in (*_NAMES, *_WAITING))
    lines = [AccountLine(name, *_NAMES[name], count) for name, count in counts.items() if count]
    return (*lines, AccountLine("other", "anderes", "", other)) if other else tuple(lines)
