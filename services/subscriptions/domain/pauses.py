"""Until when a pause lasts: whole days, by the county's clock."""

from datetime import date, datetime, time, timedelta

from services.subscriptions.domain.answers import BERLIN
from services.subscriptions.domain.language.intents import Day, Wish

USUAL_DAYS = 14
LONGEST = timedelta(days=366)


def pause_until(wish: Wish, now: datetime) -> datetime:
    """The midnight at which messages go on. A day that does not exist or has passed is taken as the usual time."""
    today = now.astimezone(BERLIN).date()
    last = _wished(wish, today) or today + timedelta(days=USUAL_DAYS)
    return datetime.combine(min(last, today + LONGEST) + timedelta(days=1), time(), BERLIN)


def pause_note(wish: Wish, now: datetime) -> str:
    """Say where the pause is not as long as it was wished for; empty if it is."""
    today = now.astimezone(BERLIN).date()
    last = _wished(wish, today)
    if last is None:
        return f"Eine Dauer haben wir nicht erkannt, deshalb sind es {USUAL_DAYS} Tage."
    return "Länger als ein Jahr ist nicht möglich." if last > today + LONGEST else ""


def _wished(wish: Wish, today: date) -> date | None:
    """The last day as it was understood."""
    if wish.days is not None:
        return today + timedelta(days=wish.days)
    if wish.easter is not None:
        return _feast(wish.easter, today)
    last = _last_day(wish.until, today) if wish.until else _next(wish.weekday, today)
    return last if last and last >= today else None


def _feast(after_easter: int, today: date) -> date:
    """The next feast that moves with Easter."""
    this_year = easter(today.year) + timedelta(days=after_easter)
    return this_year if this_year >= today else easter(today.year + 1) + timedelta(days=after_easter)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by Gauss's rule as Lichtenberg corrected it."""
    century = year // 100
    moon = 15 + (3 * century + 3) // 4 - (8 * century + 13) // 25
    sun = 2 - (3 * century + 3) // 4
    golden = year % 19
    seed = (19 * golden + moon) % 30
    correction = (seed + golden // 11) // 29
    full_moon = 21 + seed - correction
    first_sunday = 7 - (year + year // 4 + sun) % 7
    return date(year, 3, 1) + timedelta(days=full_moon + 7 - (full_moon - first_sunday) % 7 - 1)


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
