"""Until when a pause lasts: whole days, by the county's clock."""

from datetime import date, datetime, time, timedelta

from services.subscriptions.domain.answers import BERLIN
from services.subscriptions.domain.language.intents import Day, Wish

USUAL_DAYS = 14
LONGEST = timedelta(days=366)


def pause_until(wish: Wish, now: datetime) -> datetime:
    """The midnight at which messages go on. A day that does not exist or has passed is taken as the usual time."""
    today = now.astimezone(BERLIN).date()
    last = _last_day(wish.until, today) if wish.until else _next(wish.weekday, today)
    if last is None or last < today:
        last = today + timedelta(days=wish.days or USUAL_DAYS)
    return datetime.combine(min(last, today + LONGEST) + timedelta(days=1), time(), BERLIN)


def _next(weekday: int | None, today: date) -> date | None:
    """The next one that is not today."""
    return None if weekday is None else today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _last_day(day: Day, today: date) -> date | None:
    if day.year is not None:
        return _date(day.year, day)
    this_year = _date(today.year, day)
    return this_year if this_year and this_year >= today else _date(today.year + 1, day)


def _date(year: int, day: Day) -> date | None:
    try:
        return date(year, day.month, day.day)
    except ValueError:
        return None
