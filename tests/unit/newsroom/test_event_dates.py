"""Dates of events in a notice's text."""

from datetime import UTC, date, datetime

import pytest

from services.newsroom.domain.archive_feeds import EventTime, find_event_time
from services.newsroom.domain.german import format_day, format_moment
from shared.contracts.hours import LOCAL_ZONE

PUBLISHED = datetime(2026, 11, 1, 8, tzinfo=UTC)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=LOCAL_ZONE)  # type: ignore[misc,arg-type] # year, month, day, hour, minute


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Am Samstag, 14. November, 10 bis 16 Uhr.", EventTime(local(2026, 11, 14, 10), local(2026, 11, 14, 16))),
        ("am 14.11.2026 um 19.30 Uhr", EventTime(local(2026, 11, 14, 19, 30))),
        ("14. November, 19:30 Uhr bis 22 Uhr", EventTime(local(2026, 11, 14, 19, 30), local(2026, 11, 14, 22))),
        ("14. November, 22 bis 2 Uhr", EventTime(local(2026, 11, 14, 22))),
        ("am 3.1. ab 11 Uhr", EventTime(local(2027, 1, 3, 11))),
        ("Samstag, 14.11., 10 bis 16 Uhr", EventTime(local(2026, 11, 14, 10), local(2026, 11, 14, 16))),
        ("Der Markt ist am 14.11.", EventTime(date(2026, 11, 14))),
        ("Einlass ab 18.30. Das Konzert ist am 14. November, 20 Uhr.", EventTime(local(2026, 11, 14, 20))),
        ("am 1. November", EventTime(date(2026, 11, 1))),
        ("am 31. Oktober", EventTime(date(2027, 10, 31))),
        ("am 31. Oktober 2026", EventTime(date(2026, 10, 31))),
        ("14. bis 16. November", EventTime(date(2026, 11, 14))),
        ("14. November, 25 Uhr", EventTime(date(2026, 11, 14))),
    ],
)
def test_the_first_day_is_when_it_begins(text: str, time: EventTime) -> None:
    assert find_event_time(text, PUBLISHED) == time


@pytest.mark.parametrize(
    "text", ["Demnächst mehr.", "am 31. Februar", "am 14.13.", "Am Samstag um 10 Uhr", "Version 2.1"]
)
def test_without_a_day_nothing_is_claimed(text: str) -> None:
    assert find_event_time(text, PUBLISHED) is None


def test_days_and_moments_are_german_and_local() -> None:
    assert format_day(datetime(2026, 11, 27, 23, 30, tzinfo=UTC)) == "Samstag, 28. November 2026"
    assert format_moment(datetime(2026, 7, 1, 4, 5, tzinfo=UTC)) == "1. Juli 2026, 06:05 Uhr"
