"""State of all sending, as operators see it, and the changes that they can make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from services.newsroom.domain.german import format_month

LANE_NAMES: Mapping[str, str] = {"reply": "Antworten", "urgent": "Eilmeldungen", "bulk": "Meldungen"}
WAIT_NAMES: Mapping[str, str] = {
    "rate": "auf nichts: gleich an der Reihe",
    "again": "neuer Versuch nach einer Störung bei Meta",
    "slower": "neuer Versuch: zu viele Nachrichten auf einmal",
    "pair": "neuer Versuch: zu viele Nachrichten an diese Person",
    "sender": "bis der Versand wieder möglich ist",
    "template": "bis Meta die Vorlage wieder annimmt",
    "resume": "bis jemand die Aussendung fortsetzt",
    "hours": "auf die erlaubten Zeiten",
    "spread": "über die Zeit verteilt",
    "people": "auf Metas Grenze für Personen in 24 Stunden",
    "budget": "auf den nächsten Monat: Das Budget ist verbraucht",
}


QUALITY_NAMES: Mapping[str, str] = {
    "GREEN": "gut",
    "YELLOW": "mittel: Viele blockieren oder melden sie",
    "RED": "schlecht: Meta hält sie bald an",
    "UNKNOWN": "noch nicht bewertet",
}


class BroadcastChange(StrEnum):
    """Act on one broadcast during or after sending; its value is its name in the audit log."""

    PAUSE = "broadcast.paused"
    RESUME = "broadcast.resumed"
    CANCEL = "broadcast.cancelled"
    RESEND = "broadcast.resent"


class SendingChange(StrEnum):
    """Act on all sending; its value is its name in the audit log."""

    PAUSE = "sending.paused"
    RESUME = "sending.resumed"
    RESUME_TEMPLATE = "template.resumed"
    REPLAY = "letters.replayed"


class SendingRefused(ValueError):
    """Raised when an act does not fit the present state; nothing was changed, and the text says why, in German."""


@dataclass(frozen=True, kw_only=True)
class SendingNumber:
    """Limits of a sending number and their use; rates are in messages per second, None means unlimited."""

    number: str
    ceiling: float
    permitted: float
    paused_reason: str | None
    paused_by_operator: bool
    people_a_day: int | None
    people: int
    messages_a_month: int | None
    messages: int
    unreachable_since: datetime | None

    @property
    def is_slowed(self) -> bool:
        return self.permitted < 0.99 * self.ceiling

    @property
    def people_left(self) -> int | None:
        """Return how many more people may get messages within 24 hours; None if unlimited."""
        return None if self.people_a_day is None else max(0, self.people_a_day - self.people)


@dataclass(frozen=True, kw_only=True)
class WaitingCount:
    """Deliveries of a lane that wait for the same cause; `due_at` is when the first may be sent.

    With `at_least` there may be more.
    """

    lane: str
    cause: str
    deliveries: int
    at_least: bool
    due_at: datetime | None

    @property
    def lane_name(self) -> str:
        return LANE_NAMES.get(self.lane, self.lane)

    @property
    def cause_name(self) -> str:
        return WAIT_NAMES.get(self.cause, self.cause)


@dataclass(frozen=True, kw_only=True)
class TemplatePause:
    """Template that Meta does not accept at present, and the number of broadcasts waiting for it."""

    template: str
    reason: str
    paused_at: datetime
    broadcasts: int


@dataclass(frozen=True, kw_only=True)
class TemplateReport:
    """Last report of Meta about a template: `word` is "accepted" or the reason why not; None if never reported."""

    template: str
    word: str | None = None
    said_at: datetime | None = None
    quality: str | None = None
    quality_at: datetime | None = None

    @property
    def quality_name(self) -> str:
        return QUALITY_NAMES.get(self.quality, self.quality) if self.quality else "noch nichts gemeldet"


@dataclass(frozen=True, kw_only=True)
class DeadLetterCount:
    """Number of citizens' messages that could not be handled; `replaying` of them are being handled again."""

    number: int = 0
    oldest: datetime | None = None
    replaying: int = 0


@dataclass(frozen=True, kw_only=True)
class SourceUse:
    """Last publication of a source, and its number of notices in the last 30 days."""

    source: str
    last_at: datetime
    month: int


@dataclass(frozen=True, kw_only=True)
class SendingOverview:
    """Overview of the ledger for operators: sums and reasons, no personal data."""

    numbers: tuple[SendingNumber, ...] = ()
    waiting: tuple[WaitingCount, ...] = ()
    templates: tuple[TemplatePause, ...] = ()
    reports: tuple[TemplateReport, ...] = ()
    dead_letters: DeadLetterCount = DeadLetterCount()

    @property
    def is_paused(self) -> bool:
        return any(number.paused_reason for number in self.numbers)

    @property
    def pause_reasons(self) -> list[str]:
        """Return why all sending is paused; empty if any number sends."""
        reasons = [number.paused_reason for number in self.numbers if number.paused_reason]
        return reasons if len(reasons) == len(self.numbers) else []

    def list_waiting(self) -> Sequence[WaitingCount]:
        """Return what waits for what; while all sending is paused, nothing is due."""
        if not self.pause_reasons:
            return self.waiting
        return [replace(each, cause="sender", due_at=None) if each.cause == "rate" else each for each in self.waiting]

    def list_reports(self, configured: Iterable[str]) -> Sequence[TemplateReport]:
        """Return the reports on all templates that are configured or that Meta reported on, sorted by name."""
        reports = {template: TemplateReport(template=template) for template in configured}
        reports |= {report.template: report for report in self.reports}
        return [reports[template] for template in sorted(reports)]

    def describe_state(self, report: TemplateReport) -> str:
        """Return in German whether messages with the template are sent."""
        if any(pause.template == report.template for pause in self.templates):
            return "angehalten"
        if report.word is None:
            return "in Gebrauch; Meta hat noch nichts gemeldet"
        return "von Meta angenommen" if report.word == "accepted" else f"von Hand freigegeben, zuletzt {report.word}"


@dataclass(frozen=True, kw_only=True)
class MonthBudget:
    """Messages allowed in a month, used, and promised to accepted notices.

    `month` is the first day of a later month; None means the present one.
    """

    messages: int
    used: int
    promised: int = 0
    month: date | None = None

    @property
    def left(self) -> int:
        return max(self.messages - self.used - self.promised, 0)

    def find_obstacle(self, audience: int | None) -> str | None:
        """Return why the budget does not suffice for the audience, in German; None if it does."""
        if audience is None or audience <= self.left:
            return None
        which = f"für {format_month(self.month)}" if self.month else "dieses Monats"
        return (
            f"Das Budget {which} reicht nicht: Es {'ist' if self.left == 1 else 'sind'} noch"
            f" {format_count(self.left)} von {format_count(self.messages)} Nachrichten möglich."
        )


def describe_budget(budget: MonthBudget, price: Decimal | None) -> str:
    """Describe the remaining budget, in German, and in euros if the price of a message is known."""
    text = f"noch {format_count(budget.left)} von {format_count(budget.messages)} Nachrichten"
    text += f" für {format_month(budget.month)}" if budget.month else ""
    return text if price is None else f"{text} (etwa {format_count(round(budget.left * price))} Euro)"


def find_budget(numbers: Sequence[SendingNumber], promised: int = 0, month: date | None = None) -> MonthBudget | None:
    """Return the month's budget, None if unlimited; all numbers share the counter, so the smallest limit applies."""
    limits = [number.messages_a_month for number in numbers if number.messages_a_month is not None]
    used = numbers[0].messages if numbers and month is None else 0
    return MonthBudget(messages=min(limits), used=used, promised=promised, month=month) if limits else None


def format_count(number: int) -> str:
    return f"{number:,}".replace(",", ".")
