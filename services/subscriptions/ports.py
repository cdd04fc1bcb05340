"""What the handlers need from the outside."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.subscriptions.domain.broadcast import Broadcast, BroadcastPage
from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.erasure import ErasureScope
from services.subscriptions.domain.feedback import Feedback
from services.subscriptions.domain.notice_commands import NoticeCommand, NoticeDecision, NoticeState, StoredAnswer
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.reply_quota import NEW_CONVERSATION, Conversation
from services.subscriptions.domain.subscriber import MessageTime, Subscriber
from shared.contracts.dispatch import Recipient
from shared.contracts.message import Addresses


@dataclass(frozen=True, kw_only=True)
class StoredState:
    """What is stored about a sender and, as `former_by_…`, under former addresses of theirs.

    `history`, `feedback` (the newest first) and `former`, hashes of addresses that the sender had before, are there
    only where they were asked for.
    """

    by_user: Subscriber | None = None
    by_phone: Subscriber | None = None
    former_by_user: Subscriber | None = None
    former_by_phone: Subscriber | None = None
    conversation: Conversation = NEW_CONVERSATION
    erased: MessageTime | None = None
    history: tuple[Consent, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    former: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """What one message changes. `subscribers` are saved in this order; `erased` is what has to go completely."""

    result: str
    subscribers: tuple[Subscriber, ...] = ()
    consents: tuple[Consent, ...] = ()
    publications: tuple[Publication, ...] = ()
    conversation: Conversation | None = None
    feedback: Feedback | None = None
    erased: ErasureScope | None = None


@dataclass(frozen=True, kw_only=True)
class StoredDecision:
    """What was decided about a message, just now or (`duplicate`) when it was handled before."""

    result: str
    publications: tuple[Publication, ...]
    duplicate: bool


class SubscriberRepository(Protocol):
    """Subscribers, their consents, and what was decided about each message."""

    async def process_once(
        self,
        message_key: bytes,
        sender: Addresses,
        received_at: datetime,
        decide: Callable[[StoredState], ChangeSet],
        *,
        history: bool = False,
        former: Addresses | None = None,
        keys_also: Sequence[bytes] = (),
    ) -> StoredDecision:
        """Decide about a message and store it all in one transaction, or return what was decided before.

        It may be known by one of `derive_alternate_keys`. `history` asks for all that is stored about the sender;
        `former` are addresses that the sender had. Messages of one person are decided one after the other, whichever
        replica has them.
        """
        ...

    async def trim_stored_replies(self, message_key: bytes, publications: tuple[Publication, ...]) -> None:
        """The broker has everything that was decided about a message: no more than this is kept of it."""
        ...

    async def find_addresses(self, subscriber: UUID) -> Addresses | None:
        """All addresses of a subscriber; None if we know nobody by this id, or no address any more."""
        ...


class FeedbackRepository(Protocol):
    """What citizens think."""

    async def list_recent_broadcasts(self, now: datetime) -> tuple[UUID, ...]:
        """Broadcasts that somebody may still react to."""
        ...

    async def find_topic(self, broadcast: UUID) -> str | None:
        """What a broadcast was about; None for one that does not exist."""
        ...

    async def save(self, feedback: Feedback) -> None:
        """Keep it, or drop what was kept before if it says nothing any more."""
        ...


class EventPublisher(Protocol):
    """The way to the broker."""

    async def publish(self, publication: Publication) -> None:
        """Return when it is confirmed. Raises DependencyUnavailable."""
        ...


@dataclass(frozen=True)
class DeadLetter:
    """A group that could not be handled, and is to be handled again."""

    id: UUID
    body: bytes


class DeadLetterRepository(Protocol):
    """What could not be handled; all methods raise DependencyUnavailable."""

    async def save(
        self, body: bytes, reason: str, people: Sequence[bytes] = (), said: MessageTime | None = None
    ) -> None:
        """Keep a message of these people, unless they had everything deleted after it was said."""
        ...

    async def list_due(self) -> tuple[DeadLetter, ...]:
        """Those that an operator wants to have handled again."""
        ...

    async def remove(self, identifier: UUID) -> None:
        """It has been handled."""
        ...

    async def fail(self, identifier: UUID, reason: str) -> None:
        """It could not be handled this time either."""
        ...


class NoticeRepository(Protocol):
    """Notices and the broadcasts that they became."""

    async def find_answer(self, source: str, event: str) -> StoredAnswer | None:
        """What an event was answered that was obeyed before."""
        ...

    async def process_once(
        self, command: NoticeCommand, now: datetime, decide: Callable[[NoticeState], NoticeDecision]
    ) -> NoticeDecision:
        """Decide about an event and store it all in one transaction.

        Orders of one system, and about one notice, are decided one after the other, whichever replica has them.
        """
        ...

    async def evaluate(
        self, command: NoticeCommand, now: datetime, decide: Callable[[NoticeState], NoticeDecision]
    ) -> NoticeDecision:
        """Decide about an event as `process_once` would now, and store nothing."""
        ...


class BroadcastClaim(Protocol):
    """One broadcast in the hands of one worker."""

    async def fetch_pages(
        self, size: int, prepare: Callable[[Broadcast, Sequence[Recipient]], tuple[BroadcastPage, ...]]
    ) -> tuple[BroadcastPage, ...]:
        """Pages stored and not confirmed yet; if there are none, the next ones, made of the next recipients.

        `prepare` gets at most `size` recipients and its pages are stored before they are returned.
        """
        ...

    async def prepare_next_pages(
        self, size: int, prepare: Callable[[Broadcast, Sequence[Recipient]], tuple[BroadcastPage, ...]]
    ) -> tuple[BroadcastPage, ...]:
        """The next pages whatever is not confirmed yet; none if there are no more."""
        ...

    async def mark_published(self, pages: Sequence[int]) -> None:
        """These pages are on their queue; after the last one the broadcast is expanded."""
        ...


class BroadcastRepository(Protocol):
    """Broadcasts that are being expanded."""

    async def list_due(self, now: datetime) -> tuple[Broadcast, ...]:
        """Scheduled broadcasts whose time has come."""
        ...

    async def start_expansion(self, broadcast: UUID) -> None:
        """From now on it is expanded, unless it was cancelled meanwhile."""
        ...

    def claim(self) -> AbstractAsyncContextManager[BroadcastClaim | None]:
        """The most urgent broadcast that nobody works at, for as long as the context is open."""
        ...
