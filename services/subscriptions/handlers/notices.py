"""Notices of municipal systems: each becomes a broadcast, or is rejected with every problem named."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from services.subscriptions.domain.county import County
from services.subscriptions.domain.notice_commands import (
    MAYBE_EARLY,
    NoticeDecision,
    NoticeRequest,
    Policy,
    build_answer,
    decide_notice,
    read_request,
    repeat_answer,
)
from services.subscriptions.ports import EventPublisher, NoticeRepository
from shared.notices.cloudevents import AmqpMessage
from shared.outcome import Outcome, RetryLater
from shared.runtime.clock import Clock

# By attempt; together longer than the broker takes to notice a dead replica and to deliver its messages again.
EARLY_DELAYS_SECONDS: Mapping[int | None, float] = {1: 1.0, 2: 10.0, 3: 10.0, 4: 10.0}


@dataclass(frozen=True, kw_only=True)
class NoticeConsumer:
    """Consumer of notices. `work_available` is set when there is something new to expand."""

    notices: NoticeRepository
    publisher: EventPublisher
    county: County
    messages_per_second: float
    clock: Clock
    work_available: asyncio.Event
    count: Callable[[str], None]

    async def handle(self, message: AmqpMessage, *, attempt: int | None = None) -> Outcome:
        """Store, publish, and only then return Done: a failure repeats everything. Raises DependencyUnavailable.

        At its first attempts, an event about a notice that is not there is retried later: another replica may have the
        notice. With no `attempt` it is answered at once.
        """
        now = self.clock()
        request = read_request(message, self.county, now)
        decision = await self._decide(request, now)
        delay = None if request.question else EARLY_DELAYS_SECONDS.get(attempt)
        if delay and not MAYBE_EARLY.isdisjoint(decision.problems):
            return RetryLater(delay, "its notice may not have been handled yet")
        if decision.broadcast and not request.question:
            self.work_available.set()
        answer = build_answer(request, decision, now)
        for publication in answer.publications:
            await self.publisher.publish(publication)
        self.count(answer.result)
        return answer.outcome

    async def _decide(self, request: NoticeRequest, now: datetime) -> NoticeDecision:
        """Decide; repeat the answer to an event with a known id, even if it would be too late for it by now."""
        event, command = request.answerable, request.command
        if command is None:
            answered = await self.notices.find_answer(event.source, event.id) if event else None
            return repeat_answer(request.digest, answered) if answered else NoticeDecision(problems=request.problems)
        policy = Policy(now=now, county=self.county, messages_per_second=self.messages_per_second)
        decide = partial(decide_notice, command, policy=policy)
        return await self.notices.process_once(command, now, decide, store=request.question is None)
