"""Requests to send: exchange `dispatch`, one routing key for each lane."""

from datetime import time
from typing import ClassVar
from uuid import UUID

from shared.contracts.message import Address, Lane, Message, Moment, Value


class Withdrawal(Value, frozen=True, kw_only=True):
    """A subscriber's "Stop": nothing decided at or before consent number `sequence` may be sent any more.

    Each start and stop of a subscriber increases `sequence` by one, so withdrawals need never be undone and messages
    may arrive in any order. `topic` None means all topics.
    """

    subscriber: UUID
    sequence: int
    topic: str | None = None


class ReplyButton(Value, frozen=True, kw_only=True):
    """A button under a reply: `id` comes back as the payload, `title` is at most 20 characters."""

    id: str
    title: str


class ReplyRow(Value, frozen=True, kw_only=True):
    """A row of a menu: `id` comes back as the payload; `title` is at most 24, `description` 72 characters."""

    id: str
    title: str
    description: str = ""


class ReplySection(Value, frozen=True, kw_only=True):
    """Rows under a heading of at most 24 characters."""

    title: str
    rows: tuple[ReplyRow, ...]


class ReplyMenu(Value, frozen=True, kw_only=True):
    """A list that opens from `button` (at most 20 characters), with at most 10 rows in all sections together."""

    button: str
    sections: tuple[ReplySection, ...]


class ReplyRequested(Message, frozen=True, kw_only=True):
    """An automatic answer to one inbound message, inside WhatsApp's 24-hour window.

    `reply` is derived from the inbound message, so a reply requested twice is sent once. The dispatcher commits
    `withdrawal` in the transaction that claims the reply. A reply has buttons or a menu, not both.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.reply.requested.v1"
    KEY: ClassVar[str] = Lane.REPLY

    reply: UUID
    recipient: Address
    text: str
    expires_at: Moment
    buttons: tuple[ReplyButton, ...] = ()
    menu: ReplyMenu | None = None
    withdrawal: Withdrawal | None = None


class TemplateParameter(Value, frozen=True, kw_only=True):
    """A named parameter of a template's body."""

    name: str
    text: str


class Template(Value, frozen=True, kw_only=True):
    """An approved template and its parameters; `quick_replies` are the payloads of its buttons in order.

    `picture` is the address of the image in its header; Meta fetches it.
    """

    name: str
    language: str
    parameters: tuple[TemplateParameter, ...] = ()
    quick_replies: tuple[str, ...] = ()
    picture: str | None = None


class Recipient(Value, frozen=True, kw_only=True):
    """A subscriber as of consent number `sequence`, and the address to send to."""

    subscriber: UUID
    sequence: int
    address: Address


class PermittedHours(Value, frozen=True, kw_only=True):
    """Permitted hours of every day: from `opens` until before `closes`, local time in `zone` (IANA name)."""

    opens: time
    closes: time
    zone: str


class BroadcastBatch(Message, frozen=True, kw_only=True):
    """A page of a broadcast's audience: at most 100 recipients.

    `page` counts from 0; `offset` is the number of recipients on all earlier pages, so `offset + len(recipients)` of
    the `last` page is the audience. A republished page has the same bytes. Nothing is sent outside `hours`. With
    `spacing_seconds`, recipient n is due n times that long after `published_at`, not counting time outside `hours`.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.broadcast.batch.v1"
    KEY: ClassVar[str] = Lane.BULK

    broadcast: UUID
    notice: str
    revision: int
    topic: str
    lane: Lane
    template: Template
    published_at: Moment
    expires_at: Moment
    page: int
    offset: int
    last: bool
    recipients: tuple[Recipient, ...]
    hours: PermittedHours | None = None
    spacing_seconds: float | None = None


class BroadcastFollowUp(Message, frozen=True, kw_only=True):
    """A broadcast to the recipients of the earlier broadcasts `follows`, whom only the ledger knows.

    It is published on the lane that it names. Its audience is final once none of their deliveries is in progress.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.broadcast.followup.v1"
    KEY: ClassVar[str] = Lane.URGENT

    broadcast: UUID
    notice: str
    revision: int
    topic: str
    lane: Lane
    template: Template
    published_at: Moment
    expires_at: Moment
    follows: tuple[UUID, ...]
    hours: PermittedHours | None = None
