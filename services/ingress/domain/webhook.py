"""The shapes of Meta's webhooks, as far as we read them.

Lists stay raw until each of their items is decoded on its own, so that one that we do not understand takes
nothing else with it. Unknown fields are ignored, words such as types and statuses are plain text, and what
Meta calls optional is optional here.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Raw, Struct

Timestamp = int | str


class Part(Struct, frozen=True, kw_only=True):
    """A part of a webhook. `KEPT_BESIDE` are its fields that are kept beside a broken one, so that it can be read."""

    KEPT_BESIDE: ClassVar[frozenset[str]] = frozenset()

    @property
    def needed(self) -> frozenset[str]:
        """The optional fields without which the part would mean something else, if they are there."""
        return frozenset()


class Webhook(Part, frozen=True, kw_only=True):
    """The whole body."""

    object: str
    entry: Sequence[Raw]


class Entry(Part, frozen=True, kw_only=True):
    """What happened to one account; `time` is there where it is about the account itself."""

    changes: Sequence[Raw]
    id: Any = None
    time: Any = None


class Change(Part, frozen=True, kw_only=True):
    """One subscribed field and its value."""

    field: str
    value: Raw


class Metadata(Part, frozen=True, kw_only=True):
    """Which of the account's numbers it is about."""

    phone_number_id: int | str | None = None


class Failure(Part, frozen=True, kw_only=True):
    """What went wrong, with a message of ours or with the account."""

    code: int | str | None = None
    title: str | None = None


class Value(Part, frozen=True, kw_only=True):
    """The value of `messages` and `user_preferences`; any mix of its lists is accepted.

    Of `message_echoes` and `calls` only the number counts.
    """

    metadata: Metadata | None = None
    contacts: Sequence[Raw] | None = None
    messages: Sequence[Raw] | None = None
    statuses: Sequence[Raw] | None = None
    user_preferences: Sequence[Raw] | None = None
    errors: Sequence[Failure] | None = None
    message_echoes: Sequence[Raw] | None = None
    calls: Sequence[Raw] | None = None

    @property
    def needed(self) -> frozenset[str]:
        return frozenset({"metadata"})


class Contact(Part, frozen=True, kw_only=True):
    """A person's addresses, beside the messages; either may hold a user id."""

    wa_id: str | None = None
    user_id: str | None = None


class Reference(Part, frozen=True, kw_only=True):
    """The message that this one answers."""

    id: str | None = None


class TextBody(Part, frozen=True, kw_only=True):
    """What was typed."""

    body: str


class Button(Part, frozen=True, kw_only=True):
    """A template's quick reply; without a payload its text is all there is."""

    text: str | None = None
    payload: str | None = None


class Choice(Part, frozen=True, kw_only=True):
    """A reply button, or a row of a list."""

    id: str | None = None
    title: str | None = None


class FlowReply(Part, frozen=True, kw_only=True):
    """A completed form; what it holds is not ours to read."""

    body: str | None = None


class Interactive(Part, frozen=True, kw_only=True):
    """What was chosen in a message of ours."""

    button_reply: Choice | None = None
    list_reply: Choice | None = None
    nfm_reply: FlowReply | None = None


class Media(Part, frozen=True, kw_only=True):
    """A picture, video or document."""

    caption: str | None = None


class Reaction(Part, frozen=True, kw_only=True):
    """An emoji on a message; none or an empty one takes it back."""

    message_id: str | None = None
    emoji: str | None = None


class EditedMessage(Part, frozen=True, kw_only=True):
    """The new wording, of a text or below a picture."""

    text: TextBody | None = None
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None


class Correction(Part, frozen=True, kw_only=True):
    """A message that was edited, or revoked: then there is no new one."""

    original_message_id: str | None = None
    message: EditedMessage | None = None


class SystemNotice(Part, frozen=True, kw_only=True):
    """A person's address changed. The text names both addresses; older shapes have nothing else."""

    type: str | None = None
    body: str | None = None
    new_wa_id: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    previous_user_id: str | None = None


class WrittenMessage(Part, frozen=True, kw_only=True, rename={"sender": "from"}):
    """One inbound message of whatever type."""

    KEPT_BESIDE: ClassVar[frozenset[str]] = frozenset(
        {"id", "timestamp", "type", "from", "from_user_id", "group_id", "system"}
    )

    id: str
    timestamp: Timestamp
    type: str
    sender: str | None = None
    from_user_id: str | None = None
    group_id: str | None = None
    context: Reference | None = None
    errors: Sequence[Failure] | None = None
    text: TextBody | None = None
    button: Button | None = None
    interactive: Interactive | None = None
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None
    reaction: Reaction | None = None
    edit: Correction | None = None
    revoke: Correction | None = None
    system: SystemNotice | None = None

    @property
    def needed(self) -> frozenset[str]:
        return frozenset({"group_id", self.type})


class Pricing(Part, frozen=True, kw_only=True):
    """What Meta will bill it as."""

    category: str | None = None


class Status(Part, frozen=True, kw_only=True):
    """One step of a message of ours."""

    KEPT_BESIDE: ClassVar[frozenset[str]] = frozenset(
        {"id", "status", "timestamp", "recipient_type", "biz_opaque_callback_data"}
    )

    id: str
    status: str
    timestamp: Timestamp
    recipient_type: str | None = None
    biz_opaque_callback_data: str | None = None
    pricing: Pricing | None = None
    errors: Sequence[Failure] | None = None

    @property
    def needed(self) -> frozenset[str]:
        return frozenset({"recipient_type"})


class Preference(Part, frozen=True, kw_only=True):
    """Somebody stopped or resumed a category of messages in WhatsApp itself."""

    KEPT_BESIDE: ClassVar[frozenset[str]] = frozenset({"category", "value", "timestamp", "wa_id", "user_id"})

    category: str
    value: str
    timestamp: Timestamp
    wa_id: str | None = None
    user_id: str | None = None
