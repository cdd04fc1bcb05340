"""Charts show all that was counted, in its place, and within the frame."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.newsroom.domain.statistics import (
    StatisticsPeriod,
    SubscriptionCounts,
    TopicAudience,
    choose_period,
    choose_top,
    draw_bars,
    draw_line,
    sum_counts,
)

TODAY = date(2026, 11, 27)
MONTH = choose_period("30", TODAY)


def make_audiences(*audiences: int) -> list[TopicAudience]:
    return [TopicAudience(MONTH.first + timedelta(days=place), "stellen", each) for place, each in enumerate(audiences)]


@given(st.integers(0, 10_000_000))
def test_the_scale_is_round_and_high_enough(highest: int) -> None:
    top = choose_top(highest)
    assert top >= highest
    assert top % 2 == 0
    assert re.fullmatch(r"(2|4|6|10)0*", str(top))
    assert highest <= 2 or top <= 2 * highest


def test_a_line_goes_through_its_values_and_a_single_one_is_a_dot() -> None:
    assert draw_line(make_audiences(0, 50, 100), MONTH).path == "M0.00 100.00L3.45 50.00L6.90 0.00"
    assert draw_line(make_audiences(5), MONTH).path.endswith("h0")
    assert draw_line([], MONTH).path == ""


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)), max_size=60))
def test_no_bar_leaves_the_frame(counts: list[tuple[int, int]]) -> None:
    daily = [SubscriptionCounts(TODAY, started, ended) for started, ended in counts]
    chart = draw_bars(daily)
    for path, numbers, sign in ((chart.starts, [s for s, _ in counts], -1), (chart.ends, [e for _, e in counts], 1)):
        bars = re.findall(r"M([\d.]+) 50v(-?[\d.]+)h([\d.]+)V50z", path)
        assert len(bars) == sum(map(bool, numbers))
        for (x, height, width), number in zip(bars, filter(None, numbers), strict=True):
            assert float(x) >= 0
            assert float(x) + float(width) <= 100.01
            assert float(height) * sign == pytest.approx(50 * number / chart.top, abs=0.01)


@pytest.mark.parametrize(("asked", "days"), [("30", 30), ("365", 365), ("", 30), ("7", 30), ("-1", 30), ("٣٠", 30)])
def test_only_our_periods_can_be_chosen(asked: str, days: int) -> None:
    period = choose_period(asked, TODAY)
    assert (period.days, period.last) == (days, TODAY)


@given(
    st.sampled_from(["30", "90", "365"]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), st.integers(0, 9)), max_size=20),
)
def test_grouping_loses_nobody(days: str, counts: list[tuple[int, int, int]]) -> None:
    period: StatisticsPeriod = choose_period(days, TODAY)
    daily = [SubscriptionCounts(TODAY - timedelta(days=ago), started, ended) for ago, started, ended in counts]
    grouped = period.group_counts(daily)
    assert sum_counts(grouped) == sum_counts([each for each in daily if each.day >= period.first])
    assert grouped[0].day == period.first
    assert len(grouped) == -(-period.days // period.step)
