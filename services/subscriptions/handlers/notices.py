"""Notices of municipal systems: each becomes a broadcast, or is rejected with all of its problems."""

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

# By attempt. Their sum exceeds the time in which the broker notices a dead replica and redelivers its messages.
EARLY_DELAYS_SECONDS: Mapping[int | None, float] = {1: 1.0, 2: 10.0, 3: 10.0, 4: 10.0}


@dataclass(frozen=True, kw_only=True)
class NoticeConsumer:
    """Consumer of notices. `work_available` is set for each new broadcast."""

    notices: NoticeRepository
    publisher: EventPublisher
    county: County
    messages_per_second: float
    clock: Clock
    work_available: asyncio.Event
    count: Callable[[str], None]

    async def handle(self, message: AmqpMessage, *, attempt: int | None = None) -> Outcome:
        """Store, publish, and only then return Done: a failure repeats everything. Raises DependencyUnavailable.

        At its first attempts, an event about an unknown notice is retried later: another replica may be handling that
        notice. Without an `attempt` it is answered at once.
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
        """Decide. An event with a known id gets its old answer, even if it would be too late by now."""
        event, command = request.answerable, request.command
        if command is None:
            answer = await self.notices.find_answer(event.source, event.id) if event else None
            return repeat_answer(request.digest, answer) if answer else NoticeDecision(problems=request.problems)
        policy = Policy(now=now, county=self.county, messages_per_second=self.messages_per_second)
        decide = partial(decide_notice, command, policy=policy)
        return await self.notices.process_once(command, now, decide, store=request.question is None)
