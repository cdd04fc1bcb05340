"""Meta's statuses: a group is one statement, in whatever order and however often they come."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.dispatcher.domain.errors import Remedy, bounded, pause_seconds, rule_for
from services.dispatcher.domain.states import STATUSES, State, advance
from services.dispatcher.ports import Ledger, Meter, StatusNews
from shared.contracts.envelope import ContractError
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Message
from shared.outcome import InvalidDataError
from shared.runtime.bisection import store_bisected
from shared.runtime.clock import Clock
from shared.runtime.message_handler import MessageHandler

_log = structlog.get_logger()

PASSING = (Remedy.AGAIN, Remedy.SLOWER, Remedy.PAIR)


@dataclass(frozen=True, kw_only=True)
class StatusHandler(MessageHandler):
    ledger: Ledger
    meter: Meter
    clock: Clock

    async def _act(self, message: Message) -> None:
        if not isinstance(message, DeliveryStatuses):
            raise ContractError(f"unexpected type {message.TYPE}")
        news = [with_retry(item, self.clock()) for item in fold(message.statuses)]
        foreign = sum(1 for status in message.statuses if _news(status) is None)
        self.meter.count("statuses", foreign, "unmatched")
        for batch in split_by_delivery(news):
            await store_bisected(batch, self._apply, self._reject)

    async def _apply(self, news: Sequence[StatusNews]) -> None:
        applied = await self.ledger.apply_statuses(news)
        self.meter.count("statuses", applied.changed, "changed")
        self.meter.count("statuses", applied.unmatched, "unmatched")

    async def _reject(self, news: StatusNews, error: InvalidDataError) -> None:
        _log.error("status_refused", delivery=str(news.delivery), state=news.state.value, problem=str(error))
        self.meter.count("refused_rows", label="status")


def fold(statuses: Iterable[DeliveryStatus]) -> list[StatusNews]:
    """The furthest news for each delivery and message; what is not about a delivery of ours is left out."""
    furthest: dict[tuple[UUID, bytes], StatusNews] = {}
    for news in filter(None, map(_news, statuses)):
        key = (news.delivery, news.message_key)
        known = furthest.get(key)
        if known is None or advance(known.state, news.state) is not known.state:
            furthest[key] = news
    return list(furthest.values())


def split_by_delivery(news: Iterable[StatusNews]) -> list[list[StatusNews]]:
    """Split into batches that hold each delivery once: one that was sent again has two messages."""
    batches: list[list[StatusNews]] = []
    seen: Counter[UUID] = Counter()
    for item in news:
        if seen[item.delivery] == len(batches):
            batches.append([])
        batches[seen[item.delivery]].append(item)
        seen[item.delivery] += 1
    return batches


def with_retry(news: StatusNews, now: datetime) -> StatusNews:
    """Failures are treated by the same table, whether Meta answers with them or reports them later."""
    if news.state is not State.FAILED:
        return news
    rule = rule_for(news.error_code)
    if rule.remedy not in PASSING:
        return news
    due_at = now + timedelta(seconds=pause_seconds(rule, 1, 0.5))
    return replace(news, attempts=rule.attempts, due_at=due_at, waits_for=rule.remedy.value)


def _news(status: DeliveryStatus) -> StatusNews | None:
    state = STATUSES.get(status.status)
    delivery = _delivery(status.delivery)
    if state is None or delivery is None:
        return None
    code = status.error_code
    return StatusNews(delivery, state, status.message_key, None if code is None else bounded(code))


def _delivery(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
