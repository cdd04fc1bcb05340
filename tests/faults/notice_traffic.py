"""Simulated municipal system that publishes notices, and retries until the broker accepts them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from cli.publish.events import build_event
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from shared.outcome import DependencyUnavailable
from shared.runtime.clock import system_clock
from tests.amqp_system import AmqpSystem

TOPICS = ("strassensperrungen", "baustellen", "veranstaltungen", "stellen")
SEND_TIMEOUT_SECONDS = 15.0
RETRY_DELAY_SECONDS = 1.0
LASTING = timedelta(hours=12)


@dataclass(frozen=True)
class PublishedNotice:
    """A notice confirmed by the broker.

    A `lasting` one has to reach all loyal citizens; one that `follows` another only the recipients of that one.
    """

    notice: str
    headline: str
    lasting: bool
    follows: str | None = None


@dataclass(frozen=True)
class NoticePlan:
    """Properties of notice `number`, and the actions applied to it besides sending."""

    number: int
    urgent: bool
    expires_soon: bool
    is_withdrawn: bool
    is_paused: bool
    is_cancelled: bool
    is_corrected: bool

    @property
    def lasts(self) -> bool:
        return not (self.expires_soon or self.is_withdrawn or self.is_cancelled)


def plan_notice(number: int) -> NoticePlan:
    return NoticePlan(
        number,
        urgent=number % 3 == 0,
        expires_soon=number % 4 == 0,
        is_withdrawn=number % 7 == 0,
        is_paused=number % 5 == 2,
        is_cancelled=number % 11 == 5,
        is_corrected=number % 5 == 3,
    )


@dataclass
class NoticeGenerator:
    """Publisher of one notice after another; the number determines the properties of each.

    `withdrawals` are the times at which notices were withdrawn, in seconds since 1970.
    """

    sender: AmqpSystem
    say: Callable[[str], None]
    published: list[PublishedNotice] = field(default_factory=list)
    withdrawals: list[float] = field(default_factory=list)
    _number: int = 0

    async def publish(self) -> tuple[PublishedNotice, NoticePlan]:
        """Publish the next notice, retrying while the broker is unavailable."""
        plan = self._plan_next()
        lasts = timedelta(seconds=4 + plan.number % 5) if plan.expires_soon else LASTING
        return await self._publish(plan, "probe", "Probemeldung", lasts=lasts, lasting=plan.lasts), plan

    async def publish_last(self) -> PublishedNotice:
        """Publish a lasting notice to which no action is applied."""
        return await self._publish(self._plan_next(), "probe", "Probemeldung")

    async def publish_correction(self, earlier: PublishedNotice, plan: NoticePlan) -> PublishedNotice:
        """Publish a follow-up to the recipients of an earlier notice."""
        return await self._publish(plan, "correction", "Berichtigung", follows=earlier.notice)

    async def withdraw(self, notice: str) -> None:
        message = NoticeWithdrawn(reason="Probe")
        await self._retry_until_published(build_event(message, notice, self.sender.source, system_clock()))
        self.withdrawals.append(time.time())

    def _plan_next(self) -> NoticePlan:
        self._number += 1
        return plan_notice(self._number)

    async def _publish(
        self,
        plan: NoticePlan,
        name: str,
        title: str,
        *,
        lasts: timedelta = LASTING,
        lasting: bool = True,
        follows: str | None = None,
    ) -> PublishedNotice:
        subject, now = f"{name}-{plan.number}", system_clock()
        message = NoticePublished(
            topic=TOPICS[plan.number % len(TOPICS)],
            headline=f"{title} {plan.number}",
            text="Dies ist eine Probe. Es ist nichts zu tun.",
            urgent=plan.urgent,
            follows=follows,
        )
        await self._retry_until_published(build_event(message, subject, self.sender.source, now, now + lasts))
        soon = "" if lasts == LASTING else ", soon to expire"
        self.say(f"          {'urgent ' if message.urgent else ''}{subject} is out{soon}")
        published = PublishedNotice(subject, message.headline, lasting, follows)
        self.published.append(published)
        return published

    async def _retry_until_published(self, event: bytes) -> None:
        while True:
            try:
                async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                    await self.sender.publish(event)
                    return
            except (DependencyUnavailable, TimeoutError, OSError):
                await asyncio.sleep(RETRY_DELAY_SECONDS)
