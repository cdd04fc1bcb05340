"""Figures of what the county hears: who comes and goes, reach of each topic, answers to a broadcast; and charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from services.newsroom.domain.progress import name_broadcast

# Topic of whoever begins or leaves altogether.
WHOLE_CHANNEL = ""
PERIODS_DAYS = (30, 90, 365)
ECHO_HOURS = 24
_WEEKLY_FROM_DAYS = 180


@dataclass(frozen=True)
class SubscriptionMoves:
    """Starts and ends of a day, or of several days from this one on."""

    day: date
    started: int = 0
    ended: int = 0


@dataclass(frozen=True)
class TopicAudience:
    """Number of people whom a notice about the topic would have reached on that day."""

    day: date
    topic: str
    people: int


@dataclass(frozen=True, kw_only=True)
class ListeningPeriod:
    """Days from the first to the last, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def step(self) -> int:
        """Return how many days a bar of a chart stands for, so that no bar is too narrow to be seen."""
        return 7 if self.days >= _WEEKLY_FROM_DAYS else 1

    def group_moves(self, moves: Sequence[SubscriptionMoves]) -> list[SubscriptionMoves]:
        """Return one entry for each step, also where nobody came or went."""
        grouped = []
        for place in range(0, self.days, self.step):
            begin = self.first + timedelta(days=place)
            end = min(begin + timedelta(days=self.step - 1), self.last)
            grouped.append(SubscriptionMoves(begin, *sum_moves([each for each in moves if begin <= each.day <= end])))
        return grouped


def choose_period(days: str, today: date) -> ListeningPeriod:
    """Return the period of so many days that ends today; the shortest for what is no period of ours."""
    chosen = int(days) if days in map(str, PERIODS_DAYS) else PERIODS_DAYS[0]
    return ListeningPeriod(first=today - timedelta(days=chosen - 1), last=today)


@dataclass(frozen=True, kw_only=True)
class BroadcastEcho:
    """Answer to a broadcast: feedback of any time, and who left within the 24 hours after its beginning.

    `left_topic` ended its topic; `left_all` ended everything, for whatever reason. Hours are counted whole.
    """

    id: UUID
    headline: str | None
    notice: str | None
    revision: int | None = None
    topic: str | None
    started_at: datetime
    people: int | None
    left_topic: int = 0
    left_all: int = 0
    good: int = 0
    bad: int = 0
    reactions: int = 0
    texts: int = 0

    @property
    def name(self) -> str:
        return name_broadcast(self.headline, self.notice, self.revision)


def sum_moves(moves: Sequence[SubscriptionMoves]) -> tuple[int, int]:
    """Return all starts, and all ends."""
    return sum(each.started for each in moves), sum(each.ended for each in moves)


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
