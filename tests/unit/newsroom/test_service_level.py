"""The service level counts what it says that it counts."""

from datetime import timedelta

import pytest

from services.newsroom.domain.service_level import (
    BroadcastRun,
    ServiceLevel,
    compute_service_levels,
    format_seconds,
    has_reached_target,
)
from tests.factories.editors import NOON


def make_run(seconds: float | None, *, days_ago: float = 1.5, urgent: bool = False, ended: bool = True) -> BroadcastRun:
    started = NOON - timedelta(days=days_ago)
    return BroadcastRun(
        is_urgent=urgent,
        people=100,
        started_at=started,
        reached_at=None if seconds is None else started + timedelta(seconds=seconds),
        finished_at=started + timedelta(hours=1) if ended else None,
    )


def compute_bulk(*runs: BroadcastRun) -> ServiceLevel:
    """The result of what is not urgent, of the shortest period."""
    return next(level for level in compute_service_levels(runs, NOON) if not level.is_urgent)


@pytest.mark.parametrize(
    ("audience", "states", "reached"),
    [
        (100, {"accepted": 90, "read": 5, "waiting": 5}, True),
        (100, {"accepted": 94, "waiting": 6}, False),
        (100, {"sent": 94, "failed": 6}, False),
        (100, {"sent": 86, "suppressed": 10, "waiting": 4}, True),
        (100, {"sent": 50, "cancelled": 50}, False),
        (10, {"suppressed": 10}, False),
        (0, {}, False),
        (None, {"read": 100}, False),
    ],
)
def test_reached_means_accepted_for_95_percent_of_those_who_want_it(
    audience: int | None, states: dict[str, int], reached: bool
) -> None:
    assert has_reached_target(audience, states) is reached


def test_half_and_most_are_values_of_broadcasts_and_what_never_got_there_is_not_hidden() -> None:
    level = compute_bulk(*[make_run(float(seconds)) for seconds in range(1, 101)])
    assert (level.median_seconds, level.p95_seconds, level.broadcasts, level.people) == (50, 95, 100, 10_000)
    level = compute_bulk(*[make_run(3.0)] * 9, make_run(None))
    assert (level.median_seconds, level.p95_seconds) == (3, None)
    for days_ago, counted in ((0.5, 0), (1.5, 1)):  # what is still under way counts only when it is late
        assert compute_bulk(make_run(None, days_ago=days_ago, ended=False)).broadcasts == counted


def test_urgent_ones_and_periods_are_apart() -> None:
    runs = [make_run(2.0, urgent=True), make_run(60.0), make_run(600.0, days_ago=40)]
    found = [(each.days, each.is_urgent, each.p95_seconds) for each in compute_service_levels(runs, NOON)]
    assert found == [(30, True, 2), (30, False, 60), (90, True, 2), (90, False, 600)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 Sekunde"),
        (59, "59 Sekunden"),
        (60, "1 Minute"),
        (200, "3 Minuten 20 Sekunden"),
        (601, "11 Minuten"),
        (3_590, "1 Stunde"),
        (7_260, "2 Stunden 1 Minute"),
        (None, "nicht erreicht"),
    ],
)
def test_seconds_as_people_say_them(seconds: int | None, text: str) -> None:
    assert format_seconds(seconds) == text
