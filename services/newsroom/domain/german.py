"""Dates and times in German, in the county's time zone."""

from datetime import date, datetime

from shared.contracts.hours import LOCAL_ZONE

MONTHS = (
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
)
_WEEKDAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")


def find_day(day: int, month: int, year: str | None, today: date, earliest: date) -> date | None:
    """Return the date; without a year, the first from `earliest` on that is in this year or the next.

    None if there is no such day.
    """
    years = (int(year),) if year else (today.year, today.year + 1)
    for candidate_year in years:
        try:
            candidate = date(candidate_year, month, day)
        except ValueError:
            continue
        if year or candidate >= earliest:
            return candidate
    return None


def format_day(moment: datetime) -> str:
    """Format the date as in `Freitag, 27. November 2026`."""
    day = moment.astimezone(LOCAL_ZONE)
    return f"{_WEEKDAYS[day.weekday()]}, {day.day}. {MONTHS[day.month - 1]} {day.year}"


def format_moment(moment: datetime) -> str:
    """Format the time as in `27. November 2026, 18:00 Uhr`."""
    local = moment.astimezone(LOCAL_ZONE)
    return f"{local.day}. {MONTHS[local.month - 1]} {local.year}, {local:%H:%M} Uhr"


def format_month(day: date) -> str:
    """Format the month as in `November 2026`."""
    return f"{MONTHS[day.month - 1]} {day.year}"
