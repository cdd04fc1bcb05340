"""Ports: the repositories and the publisher that handlers need."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.subscriptions.domain.broadcast import Broadcast, BroadcastPage
from services.subscriptions.domain.change_sets import ChangeSet, StoredDecision
from services.subscriptions.domain.feedback import Feedback
from services.subscriptions.domain.notice_commands import NoticeCommand, NoticeDecision, NoticeState, StoredAnswer
from services.subscriptions.domain.privacy import StoredState
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import MessageTime
from shared.contracts.dispatch import Recipient
from shared.contracts.events import BroadcastCancelled
from shared.contracts.message import Addresses


class SubscriberRepository(Protocol):
    """Repository of subscribers, their consents, and the decision about each message."""

    async def process_once(
        self,
        message_key: bytes,
        sender: Addresses,
        received_at: datetime,
        decide: Callable[[StoredState], ChangeSet],
        *,
        history: bool = False,
        former: Addresses | None = None,
        sent_at: datetime | None = None,
        unsubscribes: bool = False,
        alternate_keys: Sequence[bytes] = (),
        trial_code: str = "",
    ) -> StoredDecision:
        """Decide about a message and store the result in one transaction, or return the decision made before.

        `alternate_keys` are other keys under which it may be stored, from `derive_alternate_keys`. `former` are earlier
        addresses of the sender. `history` requests everything that is stored about the sender, or about the person with
        the `former` addresses. With `sent_at`, a sender who has moved since then is found; an unsubscribed one, whose
        address is no longer stored, only for a message that `unsubscribes`. Messages of one person are decided one
        after the other, also across replicas. A valid `trial_code` is used up; any other counts as a guess.
        """

    async def trim_stored_replies(self, message_key: bytes, publications: tuple[Publication, ...]) -> None:
        """Keep only these publications of a message; call it once the broker has confirmed all of them."""

    async def find_addresses(self, subscriber: UUID) -> Addresses | None:
        """Return all addresses of a subscriber, only the blind indexes if unsubscribed; None without any address."""


class FeedbackRepository(Protocol):
    """Repository of citizens' feedback."""

    async def list_recent_broadcasts(self, now: datetime) -> tuple[UUID, ...]:
        """Return the broadcasts recent enough for a reaction."""

    async def find_topic(self, broadcast: UUID) -> str | None:
        """Return the topic of a broadcast; None for one that does not exist."""

    async def save(self, feedback: Feedback, subscriber: UUID) -> bool:
        """Store a subscriber's feedback, or delete the stored entry if it has become empty.

        Return False, without doing either, if the subscriber had everything deleted meanwhile.
        """


class EventPublisher(Protocol):
    """Publisher to the broker."""

    async def publish(self, publication: Publication) -> None:
        """Publish, and return when it is confirmed. Raises PublicationRefused or DependencyUnavailable."""


class DeadLetterRepository(Protocol):
    """Repository of dead letters; all methods raise DependencyUnavailable."""

    async def save(
        self, body: bytes, reason: str, people: Sequence[bytes] = (), written_at: MessageTime | None = None
    ) -> None:
        """Store a message of these people, unless they had everything deleted after `written_at`."""

    async def list_due(self) -> Mapping[UUID, bytes]:
        """Return the bodies of the dead letters that an operator asked to replay, by id."""

    async def remove(self, identifier: UUID) -> None:
        """Delete a dead letter that has been handled."""

    async def fail(self, identifier: UUID, reason: str) -> None:
        """Record why a replay failed."""


class NoticeRepository(Protocol):
    """Repository of notices and their broadcasts."""

    async def find_answer(self, source: str, event: str) -> StoredAnswer | None:
        """Return the answer to an event that was executed before, else None."""

    async def process_once(
        self, command: NoticeCommand, now: datetime, decide: Callable[[NoticeState], NoticeDecision], *, store: bool
    ) -> NoticeDecision:
        """Decide about a command, and if `store`, store the result in the same transaction.

        Stored decisions about the same system or notice are made one after the other, also across replicas.
        """


PreparePages = Callable[[Broadcast, Sequence[Recipient]], tuple[BroadcastPage, ...]]


class BroadcastClaim(Protocol):
    """Claim of one worker on one broadcast."""

    async def fetch_pages(self, limit: int, prepare: PreparePages) -> tuple[BroadcastPage, ...]:
        """Return the first stored pages that are not confirmed yet, else the next ones, made of the next recipients.

        There are at most `limit` of them. `prepare` gets the recipients for that many pages, plus one if there are
        more; its pages are stored before they are returned.
        """

    async def prepare_next_pages(self, limit: int, prepare: PreparePages) -> tuple[BroadcastPage, ...]:
        """Return the next pages; none if there are no more, or if more than `limit` were stored before this claim."""

    async def mark_published(self, pages: Sequence[int]) -> None:
        """Record that these pages are confirmed; after the last one the broadcast is expanded."""


class BroadcastRepository(Protocol):
    """Repository of broadcasts that are being expanded."""

    async def list_due(self, now: datetime) -> tuple[Broadcast, ...]:
        """Return the scheduled broadcasts that are due."""

    async def start_expansion(self, broadcast: Broadcast, announce: Callable[[], Awaitable[None]]) -> None:
        """Announce a scheduled broadcast, then begin to expand it; do nothing if it is no longer scheduled.

        It cannot be cancelled in between. If `announce` fails, it stays scheduled.
        """

    async def list_cancelled(self) -> tuple[BroadcastCancelled, ...]:
        """Return the events about broadcasts that operators cancelled; the oldest of those to be published."""

    async def mark_cancellation_published(self, broadcast: UUID) -> None: ...

    def claim(self) -> AbstractAsyncContextManager[BroadcastClaim | None]:
        """Claim the most urgent broadcast without a worker while the context is open; None if there is none."""
