"""Events that we publish: exchange `kreisfunk.events`."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, field

from shared.contracts.message import Address, Lane, Message, Moment, Value

Euros = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]{2}$")]


class Problem(Value, frozen=True, kw_only=True):
    """Problem of one field, and how to correct it."""

    field: str
    problem: str


class NoticeAction(StrEnum):
    """Effect of an event on its notice."""

    PUBLISHED = "published"
    UPDATED = "updated"
    WITHDRAWN = "withdrawn"


class NoticeAccepted(Message, frozen=True, kw_only=True):
    """An event about a notice was stored and takes effect; `source` and `event` name it. A repeat gets the same answer.

    `broadcast` sends revision `revision`. `audience` is the current number of recipients (of a follow-up, only the
    ledger knows it), `costs` are its costs in euros by Meta's category, `duration_seconds` is the duration at the
    current rate; each is missing if unknown. `blockers` describe what currently delays or stops the broadcast. It
    begins at `scheduled_at`, else at once. A withdrawal has no broadcast; its `revision` is the newest one, 0 for none.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.accepted.v1"
    KEY: ClassVar[str] = "notice.accepted"

    source: str
    event: str
    notice: str
    revision: int
    action: NoticeAction = NoticeAction.PUBLISHED
    broadcast: UUID | None = None
    audience: int | None = None
    costs: dict[str, Euros] = field(default_factory=dict)
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()
    scheduled_at: Moment | None = None
    expires_at: Moment | None = None
    topic: str | None = None
    headline: str | None = None


class NoticeChecked(Message, frozen=True, kw_only=True):
    """Expected result of an event if it were published now; `source` and `event` name the check.

    With `problems` it would be rejected. The other fields are as in `notice.accepted`.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.checked.v1"
    KEY: ClassVar[str] = "notice.checked"

    source: str
    event: str
    notice: str = ""
    revision: int | None = None
    action: NoticeAction | None = None
    audience: int | None = None
    costs: dict[str, Euros] = field(default_factory=dict)
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()
    scheduled_at: Moment | None = None
    problems: tuple[Problem, ...] = ()


class NoticeRejected(Message, frozen=True, kw_only=True):
    """An event that cannot become a broadcast, with every problem; it is stored in quarantine.

    `system` is its publisher, verified by the broker: a system that uses another one's source is rejected.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.rejected.v1"
    KEY: ClassVar[str] = "notice.rejected"

    source: str
    event: str
    notice: str | None = None
    system: str = ""
    problems: tuple[Problem, ...]

    def is_for(self, system: str) -> bool:
        """Return whether it may answer an event of this system; True if it names no system."""
        return self.system in ("", system)


class BroadcastStarted(Message, frozen=True, kw_only=True):
    """Start of a broadcast: its audience is being read and messages are being sent."""

    TYPE: ClassVar[str] = "de.kreisfunk.broadcast.started.v1"
    KEY: ClassVar[str] = "broadcast.started"

    broadcast: UUID
    source: str
    notice: str
    revision: int
    topic: str
    lane: Lane
    expires_at: Moment


class FailureCount(Value, frozen=True, kw_only=True):
    """Number of recipients not reached for one `reason`, in German; `code` is Meta's, if there is one."""

    reason: str
    recipients: int
    code: int | None = None


class BroadcastProgressed(Message, frozen=True, kw_only=True):
    """Progress of a broadcast: recipients by ledger state; `audience` is null until all pages are known.

    `person_limited` is the number of recipients waiting because Meta limits the messages to one person in a short
    time. `failures` are the failed recipients by reason.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.broadcast.progressed.v1"
    KEY: ClassVar[str] = "broadcast.progressed"

    broadcast: UUID
    audience: int | None
    states: dict[str, int]
    person_limited: int = 0
    failures: tuple[FailureCount, ...] = ()


class BroadcastFinished(Message, frozen=True, kw_only=True):
    """No recipient is waiting any longer; `failures` are the failed recipients by reason.

    It is published again when later statuses change `states`, for three days and at most once a minute.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.broadcast.finished.v1"
    KEY: ClassVar[str] = "broadcast.finished"

    broadcast: UUID
    audience: int
    states: dict[str, int]
    failures: tuple[FailureCount, ...] = ()


class BroadcastCancelled(Message, frozen=True, kw_only=True):
    """A broadcast that must no longer be sent."""

    TYPE: ClassVar[str] = "de.kreisfunk.broadcast.cancelled.v1"
    KEY: ClassVar[str] = "broadcast.cancelled"

    broadcast: UUID
    source: str
    notice: str
    reason: str = ""


class DeliveryRefused(Message, frozen=True, kw_only=True):
    """Meta does not deliver to this subscriber; `code` is the reason (131026 undeliverable, 131050 no marketing, …)."""

    TYPE: ClassVar[str] = "de.kreisfunk.delivery.refused.v1"
    KEY: ClassVar[str] = "delivery.refused"

    delivery: UUID
    subscriber: UUID
    code: int


class SubscriptionStarted(Message, frozen=True, kw_only=True):
    """A citizen subscribed: consent number `sequence`."""

    TYPE: ClassVar[str] = "de.kreisfunk.subscription.started.v1"
    KEY: ClassVar[str] = "subscription.started"

    subscriber: UUID
    sequence: int
    topics: tuple[str, ...]
    at: Moment


class SubscriptionChanged(Message, frozen=True, kw_only=True):
    """A subscriber changed topics or municipalities (none means all), or paused; `topics` are the current ones."""

    TYPE: ClassVar[str] = "de.kreisfunk.subscription.changed.v1"
    KEY: ClassVar[str] = "subscription.changed"

    subscriber: UUID
    sequence: int
    topics: tuple[str, ...]
    at: Moment
    municipalities: tuple[str, ...] = ()
    paused_until: Moment | None = None


class SubscriptionEnded(Message, frozen=True, kw_only=True):
    """A citizen unsubscribed from `topic`, or if it is missing, from everything.

    `was_subscribed` is false if they had no subscription: only deliveries decided before are stopped.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.subscription.ended.v1"
    KEY: ClassVar[str] = "subscription.ended"

    subscriber: UUID
    sequence: int
    at: Moment
    topic: str | None = None
    was_subscribed: bool = True


class SubscriberErased(Message, frozen=True, kw_only=True):
    """A citizen had all personal data deleted: erase these addresses, here and in Meta's contact book.

    `subscribers` are all ids that the person had; only the confirmation may still be sent to them.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.subscriber.erased.v1"
    KEY: ClassVar[str] = "subscriber.erased"

    erasure: UUID
    subscribers: tuple[UUID, ...]
    addresses: tuple[Address, ...]
    at: Moment


class FeedbackReceived(Message, frozen=True, kw_only=True):
    """Feedback from a citizen about a broadcast or the channel; it cannot be traced to a person.

    `kind` is `text`, `rating` or `reaction`; `value` is `good`, `bad` or the emoji; `topic` and `broadcast` are missing
    for feedback about the whole channel. `at` is truncated to the hour.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.feedback.received.v1"
    KEY: ClassVar[str] = "feedback.received"

    feedback: UUID
    kind: str
    at: Moment
    value: str = ""
    text: str = ""
    topic: str | None = None
    broadcast: UUID | None = None


class FeedbackErased(Message, frozen=True, kw_only=True):
    """A citizen had all personal data deleted: delete these feedback entries, too."""

    TYPE: ClassVar[str] = "de.kreisfunk.feedback.erased.v1"
    KEY: ClassVar[str] = "feedback.erased"

    feedback: tuple[UUID, ...]
    at: Moment


class ReactionReceived(Message, frozen=True, kw_only=True):
    """A subscriber reacted to a message from one of these broadcasts; `about_key` is the keyed hash of its id."""

    TYPE: ClassVar[str] = "de.kreisfunk.reaction.received.v1"
    KEY: ClassVar[str] = "reaction.received"

    reaction: UUID
    subscriber: UUID
    about_key: bytes
    broadcasts: tuple[UUID, ...]
    value: str
    at: Moment


class ReactionLocated(Message, frozen=True, kw_only=True):
    """The broadcast that a reaction was about; an empty value withdraws the reaction."""

    TYPE: ClassVar[str] = "de.kreisfunk.reaction.located.v1"
    KEY: ClassVar[str] = "reaction.located"

    reaction: UUID
    subscriber: UUID
    broadcast: UUID
    value: str
    at: Moment
