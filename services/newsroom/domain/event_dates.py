"""Time at which an event takes place, as its notice says it in German."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time

from services.newsroom.domain.german import MONTHS, ZONE

_DAY = re.compile(
    r"\b(?P<day>\d{1,2})\.(?:\s*(?:bis|und|–|-)\s*\d{1,2}\.)?\s*"
    rf"(?:(?P<name>{'|'.join(MONTHS)})|(?P<number>\d{{1,2}})\.)\s*(?P<year>20\d\d)?\b"
)
_CLOCK = r"(?P<{0}>\d{{1,2}})(?:[.:](?P<{0}_minute>\d\d))?"
_TIME = re.compile(
    rf"\b{_CLOCK.format('begin')}\s*(?:Uhr\s*)?(?:(?:bis|–|-)\s*{_CLOCK.format('end')}\s*)?Uhr\b", re.IGNORECASE
)


@dataclass(frozen=True)
class EventTime:
    """Begin and end of an event; a date where no time of day is known."""

    begin: datetime | date
    end: datetime | None = None


def find_event_time(text: str, published_at: datetime) -> EventTime | None:
    """Return the first day that the text names, with the times after it; without a year, the next such day."""
    found = _DAY.search(text)
    day = _read_day(found, published_at.astimezone(ZONE).date()) if found else None
    if found is None or day is None:
        return None
    clock = _TIME.search(text, found.end())
    begin = _read_time(clock, "begin") if clock else None
    if clock is None or begin is None:
        return EventTime(day)
    end = _read_time(clock, "end")
    ends_later = end is not None and end > begin
    return EventTime(
        datetime.combine(day, begin, ZONE), datetime.combine(day, end, ZONE) if end and ends_later else None
    )


def _read_day(found: re.Match[str], published: date) -> date | None:
    month = MONTHS.index(found["name"]) + 1 if found["name"] else int(found["number"])
    years = [int(found["year"])] if found["year"] else [published.year, published.year + 1]
    for year in years:
        try:
            day = date(year, month, int(found["day"]))
        except ValueError:
            continue
        if found["year"] or day >= published:
            return day
    return None


def _read_time(found: re.Match[str], name: str) -> time | None:
    if found[name] is None:
        return None
    try:
        return time(int(found[name]), int(found[f"{name}_minute"] or 0))
    except ValueError:
        return None
