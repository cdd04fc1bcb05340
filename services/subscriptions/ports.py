"""What the handlers need from the outside."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.subscriptions.domain.broadcast import Broadcast, Page
from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.erasure import Erased
from services.subscriptions.domain.feedback import Feedback
from services.subscriptions.domain.guard import NEW, Conversation
from services.subscriptions.domain.orders import Answered, Decision, Order, Situation
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import Moment, Subscriber
from shared.contracts.dispatch import Recipient
from shared.contracts.message import Addresses


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is stored about a sender and, as `was_…`, under former addresses of theirs.

    `history`, `feedback` (the newest first) and `former`, hashes of addresses that the sender had before, are there
    only where they were asked for.
    """

    by_user: Subscriber | None = None
    by_phone: Subscriber | None = None
    was_user: Subscriber | None = None
    was_phone: Subscriber | None = None
    conversation: Conversation = NEW
    erased: Moment | None = None
    history: tuple[Consent, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    former: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What one message changes. `subscribers` are saved in this order; `erased` is what has to go completely."""

    result: str
    subscribers: tuple[Subscriber, ...] = ()
    consents: tuple[Consent, ...] = ()
    publications: tuple[Publication, ...] = ()
    conversation: Conversation | None = None
    feedback: Feedback | None = None
    erased: Erased | None = None


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What was decided about a message, just now or (`again`) when it was handled before."""

    result: str
    publications: tuple[Publication, ...]
    again: bool


class People(Protocol):
    """Subscribers, their consents, and what was decided about each message."""

    async def once(
        self,
        message_key: bytes,
        sender: Addresses,
        received_at: datetime,
        decide: Callable[[Known], Decided],
        *,
        history: bool = False,
        former: Addresses | None = None,
        keys_also: Sequence[bytes] = (),
    ) -> Settled:
        """Decide about a message and store it all in one transaction, or return what was decided before.

        It may be known by one of `keys_also`. `history` asks for everything that is stored about the sender; `former`
        are addresses that the sender had. Messages of one person are decided one after the other, whichever replica
        has them.
        """
        ...

    async def keep_only(self, message_key: bytes, publications: tuple[Publication, ...]) -> None:
        """The broker has everything that was decided about a message: no more than this is kept of it."""
        ...

    async def addresses(self, subscriber: UUID) -> Addresses | None:
        """All addresses of a subscriber; None if we know nobody by this id, or no address any more."""
        ...


class Opinions(Protocol):
    """What citizens think."""

    async def recent(self, now: datetime) -> tuple[UUID, ...]:
        """Broadcasts that somebody may still react to."""
        ...

    async def topic(self, broadcast: UUID) -> str | None:
        """What a broadcast was about; None for one that does not exist."""
        ...

    async def save(self, feedback: Feedback) -> None:
        """Keep it, or drop what was kept before if it says nothing any more."""
        ...


class Outlet(Protocol):
    """The way to the broker."""

    async def publish(self, publication: Publication) -> None:
        """Return when it is confirmed. Raises DependencyAway."""
        ...


@dataclass(frozen=True)
class DeadLetter:
    """A group that could not be handled, and is to be handled again."""

    id: UUID
    body: bytes


class DeadLetters(Protocol):
    """What could not be handled; all methods raise DependencyAway."""

    async def save(self, body: bytes, reason: str, people: Sequence[bytes] = (), said: Moment | None = None) -> None:
        """Keep a message of these people, unless they had everything deleted after it was said."""
        ...

    async def due(self) -> tuple[DeadLetter, ...]:
        """Those that an operator wants to have handled again."""
        ...

    async def remove(self, identifier: UUID) -> None:
        """It has been handled."""
        ...

    async def fail(self, identifier: UUID, reason: str) -> None:
        """It could not be handled this time either."""
        ...


class Notices(Protocol):
    """Notices and the broadcasts that they became."""

    async def answered(self, source: str, event: str) -> Answered | None:
        """What an event was answered that was obeyed before."""
        ...

    async def once(self, order: Order, now: datetime, decide: Callable[[Situation], Decision]) -> Decision:
        """Decide about an event and store it all in one transaction.

        Orders of one system, and about one notice, are decided one after the other, whichever replica has them.
        """
        ...

    async def preview(self, order: Order, now: datetime, decide: Callable[[Situation], Decision]) -> Decision:
        """Decide about an event as `once` would now, and store nothing."""
        ...


class Claim(Protocol):
    """One broadcast in the hands of one worker."""

    async def pages(
        self, size: int, prepare: Callable[[Broadcast, Sequence[Recipient]], tuple[Page, ...]]
    ) -> tuple[Page, ...]:
        """Pages stored and not confirmed yet; if there are none, the next ones, made of the next recipients.

        `prepare` gets at most `size` recipients and its pages are stored before they are returned.
        """
        ...

    async def ahead(
        self, size: int, prepare: Callable[[Broadcast, Sequence[Recipient]], tuple[Page, ...]]
    ) -> tuple[Page, ...]:
        """The next pages whatever is not confirmed yet; none if there are no more."""
        ...

    async def confirmed(self, pages: Sequence[int]) -> None:
        """These pages are on their queue; after the last one the broadcast is expanded."""
        ...


class Broadcasts(Protocol):
    """Broadcasts that are being expanded."""

    async def due(self, now: datetime) -> tuple[Broadcast, ...]:
        """Scheduled broadcasts whose time has come."""
        ...

    async def begin(self, broadcast: UUID) -> None:
        """From now on it is expanded, unless it was cancelled meanwhile."""
        ...

    def claim(self) -> AbstractAsyncContextManager[Claim | None]:
        """The most urgent broadcast that nobody works at, for as long as the context is open."""
        ...
