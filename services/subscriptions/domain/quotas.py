"""Quotas of the notices that a system may publish, and the pace of all notices over AMQP."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.contracts.events import Problem
from shared.notices.configuration import System

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
# Events a day that may send nothing, in addition to one for each notice: they are stored like all others.
SILENT_EVENTS = 1_000


@dataclass(frozen=True, kw_only=True)
class Quota:
    """Limit of accepted notices, urgent notices, or `silent` events (which send nothing) in any period of `window`."""

    limit: int
    window: timedelta
    urgent_only: bool = False
    silent: bool = False

    @property
    def description(self) -> str:
        noun = "events that send nothing" if self.silent else "urgent notices" if self.urgent_only else "notices"
        return f"{self.limit} {noun} in {'an hour' if self.window == HOUR else '24 hours'}"


def list_quotas(system: System, *, urgent: bool) -> tuple[Quota, ...]:
    """Return the quotas against which a notice of this system counts."""
    general = (Quota(limit=system.notices_per_hour, window=HOUR), Quota(limit=system.notices_per_day, window=DAY))
    return (*general, Quota(limit=system.urgent_per_day, window=DAY, urgent_only=True)) if urgent else general


def build_silent_quota(system: System) -> Quota:
    """Return the quota against which an event that sends nothing counts."""
    return Quota(limit=system.notices_per_day + SILENT_EVENTS, window=DAY, silent=True)


def find_quota_problems(exhausted: Mapping[Quota, datetime | None], *, silent: bool = False) -> Iterator[Problem]:
    """Yield a problem for each exhausted quota, either of notices or of `silent` events.

    Each quota has the time of the notice that has to leave the window first; None if its limit is 0.
    """
    for quota, oldest in exhausted.items():
        if quota.silent is not silent:
            continue
        retry = f"the next one from {(oldest + quota.window).isoformat(timespec='seconds')}" if oldest else "never"
        field = "urgent" if quota.urgent_only else "quota"
        yield Problem(field=field, problem=f"this system may publish {quota.description}; {retry}")


@dataclass
class TokenBucket:
    """Rate limit of at most `burst` at once, then `per_second`; times are seconds of any clock."""

    burst: int
    per_second: float
    _due: float = field(default=0.0, init=False)

    def reserve_delay(self, now: float) -> float:
        """Reserve the next turn, and return the seconds until then."""
        interval = 1 / self.per_second
        due = max(self._due, now - self.burst * interval)
        self._due = due + interval
        return max(0.0, due - now)
