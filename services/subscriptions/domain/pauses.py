"""Ends of pauses: whole days, in the county's time zone."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta

from services.subscriptions.domain.intents.intent import MAX_PAUSE_DAYS, Day, ParsedIntent
from shared.contracts.hours import LOCAL_ZONE

DEFAULT_PAUSE_DAYS = 14
# A pause withdraws no consent: an all-clear for an earlier notice must reach the recipients of that notice.
_STILL_ARRIVES = "Was schon unterwegs ist, kann noch ankommen, ebenso eine Entwarnung zu einer früheren Meldung."


def calculate_pause(parsed: ParsedIntent, sent_at: datetime) -> tuple[datetime, str]:
    """Return the midnight at which messages resume, and a note about what may still arrive.

    A missing or past day gives the default length; the note mentions that, and a request that was too long.
    """
    today, note = sent_at.astimezone(LOCAL_ZONE).date(), _STILL_ARRIVES
    last_day, max_day = _find_requested_day(parsed, today), today + timedelta(days=MAX_PAUSE_DAYS)
    if last_day is None:
        last_day = today + timedelta(days=DEFAULT_PAUSE_DAYS)
        note = f"Eine Dauer haben wir nicht erkannt, deshalb sind es {DEFAULT_PAUSE_DAYS} Tage. {note}"
    elif last_day > max_day:
        last_day, note = max_day, f"Länger als ein Jahr ist nicht möglich. {note}"
    return datetime.combine(last_day + timedelta(days=1), time(), LOCAL_ZONE), note


def _find_requested_day(parsed: ParsedIntent, today: date) -> date | None:
    """Return the requested last day of the pause; None if there is none or it has passed."""
    if parsed.days is not None:
        return today + timedelta(days=parsed.days)
    if parsed.easter is not None:
        return _find_feast(parsed.easter, today)
    last_day = _resolve_day(parsed.until, today) if parsed.until else _find_next_weekday(parsed.weekday, today)
    return last_day if last_day and last_day >= today else None


def _find_feast(after_easter: int, today: date) -> date:
    """Return the next date of a moveable feast."""
    this_year = calculate_easter(today.year) + timedelta(days=after_easter)
    return this_year if this_year >= today else calculate_easter(today.year + 1) + timedelta(days=after_easter)


def calculate_easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar, by Gauss's algorithm with Lichtenberg's correction."""
    century = year // 100
    moon = 15 + (3 * century + 3) // 4 - (8 * century + 13) // 25
    sun = 2 - (3 * century + 3) // 4
    golden = year % 19
    seed = (19 * golden + moon) % 30
    correction = (seed + golden // 11) // 29
    full_moon = 21 + seed - correction
    first_sunday = 7 - (year + year // 4 + sun) % 7
    return date(year, 3, 1) + timedelta(days=full_moon + 7 - (full_moon - first_sunday) % 7 - 1)


def _find_next_weekday(weekday: int | None, today: date) -> date | None:
    """Return the next such weekday after today."""
    return None if weekday is None else today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _resolve_day(day: Day, today: date) -> date | None:
    if day.year is not None:
        return _build_date(day.year, day)
    if day.month == 0:
        return _find_in_any_month(day.day, today)
    this_year = _build_date(today.year, day)
    return this_year if this_year and this_year >= today else _build_date(today.year + 1, day)


def _find_in_any_month(day: int, today: date) -> date:
    """Return the next such day of a month; in a shorter month it is the last one."""
    first = today.replace(day=1)
    months = (first, (first + timedelta(days=31)).replace(day=1))
    days = (month.replace(day=min(day, monthrange(month.year, month.month)[1])) for month in months)
    return next(found for found in days if found >= today)


def _build_date(year: int, day: Day) -> date | None:
    if (day.day, day.month) == (29, 2):
        return date(year, 3, 1) - timedelta(days=1)
    try:
        return date(year, day.month, day.day)
    except ValueError:
        return None
