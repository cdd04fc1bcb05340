"""Service level: time until WhatsApp has accepted 95 percent of a broadcast's messages."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

PERCENT = 95
PERIODS_DAYS = (30, 90)
# A broadcast that has not reached 95 percent after this time has failed; a younger one may still reach it.
LATE_AFTER = timedelta(days=1)
_ACCEPTED = ("accepted", "sent", "delivered", "read")


@dataclass(frozen=True, kw_only=True)
class BroadcastRun:
    """Broadcast in the service level; `reached_at` is when 95 percent were accepted."""

    is_urgent: bool
    people: int
    started_at: datetime
    reached_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def seconds(self) -> float:
        """Return how long it took; infinity if 95 percent were never reached."""
        return max((self.reached_at - self.started_at).total_seconds(), 0.0) if self.reached_at else math.inf

    def has_result(self, now: datetime) -> bool:
        return bool(self.reached_at or self.finished_at) or now - self.started_at > LATE_AFTER


@dataclass(frozen=True, kw_only=True)
class ServiceLevel:
    """Result of some broadcasts: seconds within which half of them, and 95 percent of them, reached the goal.

    None if so many did not reach it, or if there were no broadcasts.
    """

    days: int
    is_urgent: bool
    broadcasts: int
    people: int
    median_seconds: int | None
    p95_seconds: int | None


def has_reached_target(audience: int | None, states: Mapping[str, int]) -> bool:
    """Return whether WhatsApp has accepted 95 percent of the messages to those who have not unsubscribed.

    Messages that were not sent because of a withdrawal count as not accepted.
    """
    if audience is None:
        return False
    recipients = audience - states.get("suppressed", 0)
    accepted = sum(states.get(state, 0) for state in _ACCEPTED)
    return recipients > 0 and accepted * 100 >= recipients * PERCENT


def compute_service_levels(runs: Sequence[BroadcastRun], now: datetime) -> tuple[ServiceLevel, ...]:
    """Return the results of each period, for urgent and for other broadcasts."""
    ended = [run for run in runs if run.has_result(now)]
    levels = []
    for days, urgent in itertools.product(PERIODS_DAYS, (True, False)):
        chosen = [run for run in ended if run.is_urgent is urgent and run.started_at > now - timedelta(days=days)]
        seconds = sorted(run.seconds for run in chosen)
        level = ServiceLevel(
            days=days,
            is_urgent=urgent,
            broadcasts=len(chosen),
            people=sum(run.people for run in chosen),
            median_seconds=_find_rank(seconds, 50),
            p95_seconds=_find_rank(seconds, PERCENT),
        )
        levels.append(level)
    return tuple(levels)


def _find_rank(ordered: Sequence[float], percent: int) -> int | None:
    """Return the percentile (nearest rank) in whole seconds; None without values, or if infinite."""
    if not ordered:
        return None
    value = ordered[-(-len(ordered) * percent // 100) - 1]
    return None if math.isinf(value) else math.ceil(value)


def format_seconds(seconds: int | None) -> str:
    """Format the duration, such as `3 Minuten 20 Sekunden`, rounded up to a useful precision."""
    if seconds is None:
        return "nicht erreicht"
    if seconds < 60:
        return _format_count(max(seconds, 1), "Sekunde")
    minutes, rest = divmod(seconds, 60)
    if minutes < 10 and rest:
        return f"{_format_count(minutes, 'Minute')} {_format_count(rest, 'Sekunde')}"
    minutes = -(-seconds // 60)
    if minutes < 60:
        return _format_count(minutes, "Minute")
    hours, rest = divmod(minutes, 60)
    return _format_count(hours, "Stunde") + (f" {_format_count(rest, 'Minute')}" if rest else "")


def _format_count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 'n'}"
