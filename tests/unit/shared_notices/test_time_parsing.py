"""Durations and moments as people type them."""

from datetime import datetime, timedelta

import pytest

from shared.notices.time_parsing import parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "duration"),
    [("30m", timedelta(minutes=30)), ("12h", timedelta(hours=12)), (" 2d ", timedelta(days=2))],
)
def test_a_duration_has_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "0h", "1.5h", "1w", "9999999d"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 12h"):
        parse_duration(text)


def test_a_moment_keeps_its_offset() -> None:
    moment = parse_moment("2026-11-30T18:00+01:00")
    assert moment == datetime.fromisoformat("2026-11-30T17:00+00:00")


@pytest.mark.parametrize(("text", "offset"), [("2026-11-30T18:00", "+01:00"), ("2026-07-30T08:00", "+02:00")])
def test_a_moment_without_an_offset_is_berlins(text: str, offset: str) -> None:
    assert parse_moment(text).isoformat().endswith(offset)
    assert parse_moment(text).replace(tzinfo=None) == datetime.fromisoformat(text)


# A day alone would be its first moment: a notice "until the 30th" would end with the 29th.
@pytest.mark.parametrize("text", ["", "tomorrow", "30.11.2026", "2026-11-30", "20261130", "2026-W49-1"])
def test_other_moments_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2026"):
        parse_moment(text)
