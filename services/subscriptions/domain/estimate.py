"""Estimate of a notice's audience, costs and duration, as far as they are known when it is accepted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from services.subscriptions.domain.broadcast import Broadcast
from shared.contracts.hours import find_opening
from shared.notices.configuration import Prices, Topic

_CENT = Decimal("0.01")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimate as `notice.accepted` reports it; None for what is unknown."""

    audience: int | None = None
    costs: dict[str, str]
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()


def estimate_broadcast(
    broadcast: Broadcast, audience: int | None, *, topic: Topic, prices: Prices, messages_per_second: float
) -> Estimate:
    """Estimate a broadcast that begins as planned while nothing else is being sent."""
    duration = _estimate_duration(broadcast, audience, messages_per_second)
    return Estimate(
        audience=audience,
        costs=_calculate_costs(audience, topic, prices),
        duration_seconds=duration,
        blockers=tuple(_find_blockers(broadcast, audience, duration)),
    )


def _estimate_duration(broadcast: Broadcast, audience: int | None, messages_per_second: float) -> int | None:
    if audience is None:
        return None
    spread = broadcast.spread.total_seconds() if broadcast.spread and audience else 0
    return math.ceil(max(audience / messages_per_second, spread))


def _calculate_costs(audience: int | None, topic: Topic, prices: Prices) -> dict[str, str]:
    price = prices.get_price(topic.category)
    if audience is None or price is None:
        return {}
    return {topic.category: str((audience * price).quantize(_CENT, ROUND_HALF_UP))}


def _find_blockers(broadcast: Broadcast, audience: int | None, duration: int | None) -> Iterator[str]:
    if audience == 0:
        yield "nobody has subscribed to this"
    begins = _find_opening(broadcast)
    if begins >= broadcast.expires_at:
        yield f"nobody will get it: it expires before the permitted hours begin at {_format_time(begins)}"
        return
    if begins > broadcast.published_at:
        yield f"outside the permitted hours until {_format_time(begins)}"
    if duration and begins + timedelta(seconds=duration) > broadcast.expires_at:
        yield f"not everybody will get it: it takes about {duration} s at today's rate, and expires before"


def _find_opening(broadcast: Broadcast) -> datetime:
    hours, moment = broadcast.hours, broadcast.published_at
    if hours is None:
        return moment
    return find_opening(hours.opens, hours.closes, hours.zone, moment).astimezone(ZoneInfo(hours.zone))


def _format_time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
