"""Notices of municipal systems: each becomes a broadcast, or is rejected with every problem named."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec

from services.subscriptions.domain import notice_events, rejection
from services.subscriptions.domain.county import County
from services.subscriptions.domain.notice_commands import (
    UNKNOWN_NOTICE,
    NoticeCommand,
    NoticeDecision,
    NoticeState,
    Policy,
    decide_notice,
    repeat_answer,
)
from services.subscriptions.domain.rejection import EventIdentity
from services.subscriptions.ports import EventPublisher, NoticeRepository
from shared.contracts.envelope import ContractError, Envelope, read_data
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeCheck, NoticeWithdrawn
from shared.notices.cloudevents import UnreadableEvent, read_event
from shared.notices.cloudevents_amqp import AmqpMessage, read_amqp_event
from shared.notices.fingerprint import compute_fingerprint
from shared.notices.rules import (
    identify_system,
    parse_token_topics,
    read_notice,
    validate_notice,
    validate_source,
    validate_unreadable,
)
from shared.notices.systems import System
from shared.outcome import Done, Outcome, RetryLater
from shared.runtime.clock import Clock

UNKNOWN_NOTICE_DELAY_SECONDS = 1.0
ProcessNotice = Callable[[NoticeCommand, datetime, Callable[[NoticeState], NoticeDecision]], Awaitable[NoticeDecision]]


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

    async def handle(self, message: AmqpMessage, *, may_wait: bool = False) -> Outcome:
        """Store, publish, and only then return Done: a failure repeats everything. Raises DependencyUnavailable.

        If it `may_wait`, an update of an unknown notice is retried later: another replica may be handling the notice.
        """
        try:
            envelope = read_amqp_event(message)
        except UnreadableEvent as error:
            return await self._reject(
                self._explain_unreadable(error, message.login), EventIdentity.extract_from_error(error, message.login)
            )
        system = self.county.find_system(identify_system(envelope, message.login))
        if envelope.type == NoticeCheck.TYPE and system is not None:
            return await self._check(envelope, system, message.login)
        decision = await self._decide(
            envelope, system, parse_token_topics(envelope, message.login), self.notices.process_once
        )
        if may_wait and UNKNOWN_NOTICE in decision.problems:
            return RetryLater(UNKNOWN_NOTICE_DELAY_SECONDS, "an update of an unknown notice")
        if decision.problems:
            return await self._reject(
                decision.problems, EventIdentity.extract(envelope, system.name if system else message.login)
            )
        return await self._publish_decision(decision)

    def _explain_unreadable(self, error: UnreadableEvent, login: str | None) -> tuple[Problem, ...]:
        name = identify_system(error.envelope, login) if error.envelope else None
        return validate_unreadable(error, self.county.find_system(name), self.county, self.clock())

    async def _check(self, question: Envelope, system: System, login: str | None) -> Outcome:
        now = self.clock()
        try:
            envelope = read_event(msgspec.json.encode(read_data(question, NoticeCheck).event))
            decision = await self._decide(envelope, system, parse_token_topics(question, login), self.notices.evaluate)
        except ContractError as error:
            return await self._reject(
                (Problem(field="data", problem=str(error)),), EventIdentity.extract(question, system.name)
            )
        except UnreadableEvent as error:
            decision = NoticeDecision(problems=validate_unreadable(error, system, self.county, now))
        await self.publisher.publish(
            notice_events.build_checked(question, decision.problems, decision.publications, now)
        )
        self.count("checked")
        return Done()

    async def _decide(
        self, envelope: Envelope, system: System | None, only: frozenset[str] | None, settle: ProcessNotice
    ) -> NoticeDecision:
        """Repeat the answer to an event with a known id, even if it would be too late for it by now; else decide."""
        foreign = validate_source(envelope, system)
        answered = None if foreign else await self.notices.find_answer(envelope.source, envelope.id)
        if answered is not None:
            return repeat_answer(compute_fingerprint(envelope), answered)
        now = self.clock()
        problems = validate_notice(envelope, system, self.county, now)
        if problems or system is None:
            return NoticeDecision(problems=problems)
        hours = self.county.permitted_hours
        policy = Policy(
            now=now,
            hours=hours.permitted if hours else None,
            prices=self.county.prices,
            messages_per_second=self.messages_per_second,
        )
        order = self._build_command(envelope, system, only)
        return await settle(order, now, partial(decide_notice, order, policy=policy))

    def _build_command(self, envelope: Envelope, system: System, only: frozenset[str] | None) -> NoticeCommand:
        notice = read_notice(envelope)
        command = NoticeCommand(
            envelope=envelope,
            system=system,
            digest=compute_fingerprint(envelope),
            subject=envelope.subject or "",
            only_topics=only,
        )
        if isinstance(notice, NoticeWithdrawn):
            return replace(command, reason=notice.reason)
        return replace(command, content=notice, topic=self.county.find_topic(notice.topic))

    async def _publish_decision(self, decision: NoticeDecision) -> Outcome:
        if decision.broadcast:
            self.work_available.set()
        for publication in decision.publications:
            await self.publisher.publish(publication)
        self.count(_classify_decision(decision))
        return Done()

    async def _reject(self, problems: tuple[Problem, ...], named: EventIdentity) -> Outcome:
        """Quarantine an event and, if the broker knows its sender, publish the rejection.

        An event without a known sender may be an answer of ours.
        """
        now = self.clock()
        if named.system:
            await self.publisher.publish(rejection.build_rejection(problems, named, now))
        self.count("rejected")
        return rejection.build_quarantine(problems, named, now)


def _classify_decision(decision: NoticeDecision) -> str:
    if decision.broadcast:
        return "accepted"
    return "withdrawn" if decision.withdraw else "repeated"
