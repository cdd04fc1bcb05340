"""A municipal system that publishes, and tries again for as long as the broker does not take it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from cli.publish.sending import Event, Sender
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from shared.outcome import DependencyAway
from shared.runtime.clock import system_clock

TOPICS = ("strassensperrungen", "baustellen", "veranstaltungen", "stellen")
SEND_SECONDS = 15.0
PAUSE_SECONDS = 1.0
LASTING = timedelta(hours=12)


@dataclass(frozen=True)
class Published:
    """A notice that the broker has confirmed. Only a `lasting` one has to reach everybody who stays."""

    notice: str
    headline: str
    lasting: bool


@dataclass
class Publisher:
    """Every third notice is urgent, every fourth expires while it is being sent, every seventh is withdrawn."""

    sender: Sender
    say: Callable[[str], None]
    published: list[Published] = field(default_factory=list)
    _number: int = 0

    async def publish(self, *, expires_in: timedelta | None = None) -> Published:
        """The next notice, whatever happens to the broker meanwhile."""
        self._number += 1
        number = self._number
        short = expires_in is None and number % 4 == 0
        lasts = expires_in or (timedelta(seconds=4 + number % 5) if short else LASTING)
        message = _notice(number)
        event = Event(message=message, subject=f"probe-{number}", expirytime=system_clock() + lasts)
        await self._until_taken(event)
        kind = "urgent " if message.urgent else ""
        self.say(f"          {kind}notice {number} is out{', soon to expire' if short else ''}")
        published = Published(event.subject, message.headline, lasting=not short and not self.last_is_to_be_withdrawn)
        self.published.append(published)
        return published

    @property
    def last_is_to_be_withdrawn(self) -> bool:
        return is_withdrawn(self._number)

    async def withdraw(self, notice: str) -> None:
        await self._until_taken(Event(message=NoticeWithdrawn(reason="Probe"), subject=notice))

    async def _until_taken(self, event: Event) -> None:
        while True:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self.sender.send(event, system_clock(), seconds=None)
                    return
            except (DependencyAway, TimeoutError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)


def is_withdrawn(number: int) -> bool:
    return number % 7 == 0


def _notice(number: int) -> NoticePublished:
    return NoticePublished(
        topic=TOPICS[number % len(TOPICS)],
        headline=f"Probemeldung {number}",
        text="Dies ist eine Probe. Es ist nichts zu tun.",
        urgent=number % 3 == 0,
    )
