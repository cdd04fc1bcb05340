"""Statistics and charts: subscriptions, audience per topic, reactions to broadcasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from services.newsroom.domain.progress import name_broadcast

# Topic under which people who join or leave altogether are counted.
WHOLE_CHANNEL = ""
PERIODS_DAYS = (30, 90, 365)
RESPONSE_HOURS = 24
_WEEKLY_FROM_DAYS = 180


@dataclass(frozen=True)
class SubscriptionCounts:
    """Subscriptions started and ended on this day, or on several days from this one on."""

    day: date
    started: int = 0
    ended: int = 0


@dataclass(frozen=True)
class TopicAudience:
    """Number of people that a notice about the topic would have reached on that day."""

    day: date
    topic: str
    people: int


@dataclass(frozen=True, kw_only=True)
class StatisticsPeriod:
    """Period of days, first and last included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def step(self) -> int:
        """Return the number of days per bar of a chart, so that no bar is too narrow to be visible."""
        return 7 if self.days >= _WEEKLY_FROM_DAYS else 1

    def group_counts(self, counts: Sequence[SubscriptionCounts]) -> list[SubscriptionCounts]:
        """Return one entry per step, including those without any starts or ends."""
        grouped = []
        for offset in range(0, self.days, self.step):
            begin = self.first + timedelta(days=offset)
            end = min(begin + timedelta(days=self.step - 1), self.last)
            grouped.append(
                SubscriptionCounts(begin, *sum_counts([count for count in counts if begin <= count.day <= end]))
            )
        return grouped


def choose_period(days: str, today: date) -> StatisticsPeriod:
    """Return the period of so many days that ends today; the shortest one for an unknown length."""
    length = int(days) if days in map(str, PERIODS_DAYS) else PERIODS_DAYS[0]
    return StatisticsPeriod(first=today - timedelta(days=length - 1), last=today)


@dataclass(frozen=True, kw_only=True)
class BroadcastResponse:
    """Reactions to a broadcast: all feedback, and unsubscriptions within 24 hours after its start.

    `left_topic` counts those from its topic, `left_all` those from everything; hours count in full.
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


def sum_counts(counts: Sequence[SubscriptionCounts]) -> tuple[int, int]:
    return sum(count.started for count in counts), sum(count.ended for count in counts)


_SIZE = 100
_GAP = 0.2


@dataclass(frozen=True, kw_only=True)
class LineChart:
    """Line from zero to `top`; a single value is a dot."""

    top: int
    path: str


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """Bars above the axis for starts and below it for ends, both up to `top`."""

    top: int
    starts: str
    ends: str


def choose_top(highest: int) -> int:
    """Return an even round number, not below the highest value."""
    unit = 1
    while True:
        for step in (2, 4, 6, 10):
            if highest <= step * unit:
                return step * unit
        unit *= 10


def draw_line(counts: Sequence[TopicAudience], period: StatisticsPeriod) -> LineChart:
    top = choose_top(max((count.people for count in counts), default=0))
    step = _SIZE / max(period.days - 1, 1)
    points = [((count.day - period.first).days * step, _SIZE - _SIZE * count.people / top) for count in counts]
    path = "".join(f"{'L' if index else 'M'}{x:.2f} {y:.2f}" for index, (x, y) in enumerate(points))
    return LineChart(top=top, path=f"{path}h0" if len(points) == 1 else path)


def draw_bars(counts: Sequence[SubscriptionCounts]) -> BarChart:
    top = choose_top(max((max(count.started, count.ended) for count in counts), default=0))
    return BarChart(
        top=top,
        starts=_draw_side([count.started / top for count in counts], -1),
        ends=_draw_side([count.ended / top for count in counts], 1),
    )


def _draw_side(shares: Sequence[float], direction: int) -> str:
    width = _SIZE / max(len(shares), 1)
    return "".join(
        f"M{(index + _GAP / 2) * width:.2f} {_SIZE // 2}v{direction * share * _SIZE / 2:.2f}"
        f"h{(1 - _GAP) * width:.2f}V{_SIZE // 2}z"
        for index, share in enumerate(shares)
        if share
    )
