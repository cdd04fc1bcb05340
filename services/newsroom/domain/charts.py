"""Shapes of charts as paths of SVG, in a square of 100 by 100 that a page stretches; labels are the page's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.newsroom.domain.listening import ListeningPeriod, SubscriptionMoves, TopicAudience

_SIZE = 100
_GAP = 0.2


@dataclass(frozen=True, kw_only=True)
class LineChart:
    """Line from zero to `top`; a single value is a dot."""

    top: int
    path: str


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """Bars above the middle for starts and below for ends, both up to `top`."""

    top: int
    starts: str
    ends: str


def choose_top(highest: int) -> int:
    """Return a round number of which half is whole, not below the highest value."""
    unit = 1
    while True:
        for step in (2, 4, 6, 10):
            if highest <= step * unit:
                return step * unit
        unit *= 10


def draw_line(counts: Sequence[TopicAudience], period: ListeningPeriod) -> LineChart:
    """Return the line of the counts, from day to day."""
    top = choose_top(max((each.people for each in counts), default=0))
    places = [(_place_day(each.day, period), _SIZE - _SIZE * each.people / top) for each in counts]
    path = "".join(f"{'L' if number else 'M'}{x:.2f} {y:.2f}" for number, (x, y) in enumerate(places))
    return LineChart(top=top, path=f"{path}h0" if len(places) == 1 else path)


def draw_bars(moves: Sequence[SubscriptionMoves]) -> BarChart:
    """Return the bars of the moves, side by side."""
    top = choose_top(max((max(each.started, each.ended) for each in moves), default=0))
    return BarChart(
        top=top,
        starts=_draw_side([each.started / top for each in moves], -1),
        ends=_draw_side([each.ended / top for each in moves], 1),
    )


def _draw_side(parts: Sequence[float], direction: int) -> str:
    width = _SIZE / max(len(parts), 1)
    return "".join(
        f"M{(place + _GAP / 2) * width:.2f} {_SIZE // 2}v{direction * part * _SIZE / 2:.2f}"
        f"h{(1 - _GAP) * width:.2f}V{_SIZE // 2}z"
        for place, part in enumerate(parts)
        if part
    )


def _place_day(day: date, period: ListeningPeriod) -> float:
    return _SIZE * (day - period.first).days / max(period.days - 1, 1)
