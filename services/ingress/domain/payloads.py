"""The shapes of Meta's webhooks, as far as we read them.

Lists stay raw until each of their items is decoded on its own, so that one that we do not understand takes
nothing else with it. Unknown fields are ignored, words such as types and statuses are plain text, and what
Meta calls optional is optional here.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Raw, Struct

Timestamp = int | str


class WebhookPart(Struct, frozen=True, kw_only=True):
    """Part of a webhook. `CONTEXT_FIELDS` are kept beside a broken one, so that it can be read."""

    CONTEXT_FIELDS: ClassVar[frozenset[str]] = frozenset()

    @property
    def needed(self) -> frozenset[str]:
        """The optional fields without which the part would mean something else, if they are there."""
        return frozenset()


class Webhook(WebhookPart, frozen=True, kw_only=True):
    """The whole body."""

    object: str
    entry: Sequence[Raw]


class Entry(WebhookPart, frozen=True, kw_only=True):
    """What happened to one account; `time` is there where it is about the account itself."""

    changes: Sequence[Raw]
    id: Any = None
    time: Any = None


class Change(WebhookPart, frozen=True, kw_only=True):
    """One subscribed field and its value."""

    field: str
    value: Raw


class Metadata(WebhookPart, frozen=True, kw_only=True):
    """Which of the account's numbers it is about."""

    phone_number_id: int | str | None = None


class Failure(WebhookPart, frozen=True, kw_only=True):
    """What went wrong, with a message of ours or with the account."""

    code: int | str | None = None
    title: str | None = None


class ChangeValue(WebhookPart, frozen=True, kw_only=True):
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


class Contact(WebhookPart, frozen=True, kw_only=True):
    """A person's addresses, beside the messages; either may hold a user id."""

    wa_id: str | None = None
    user_id: str | None = None


class Reference(WebhookPart, frozen=True, kw_only=True):
    """The message that this one answers."""

    id: str | None = None


class TextBody(WebhookPart, frozen=True, kw_only=True):
    """What was typed."""

    body: str


class Button(WebhookPart, frozen=True, kw_only=True):
    """A template's quick reply; without a payload its text is all there is."""

    text: str | None = None
    payload: str | None = None


class Choice(WebhookPart, frozen=True, kw_only=True):
    """A reply button, or a row of a list."""

    id: str | None = None
    title: str | None = None


class FlowReply(WebhookPart, frozen=True, kw_only=True):
    """A completed form; what it holds is not ours to read."""

    body: str | None = None


class Interactive(WebhookPart, frozen=True, kw_only=True):
    """What was chosen in a message of ours."""

    button_reply: Choice | None = None
    list_reply: Choice | None = None
    nfm_reply: FlowReply | None = None


class Media(WebhookPart, frozen=True, kw_only=True):
    """A picture, video or document."""

    caption: str | None = None


class Reaction(WebhookPart, frozen=True, kw_only=True):
    """An emoji on a message; none or an empty one takes it back."""

    message_id: str | None = None
    emoji: str | None = None


class EditedMessage(WebhookPart, frozen=True, kw_only=True):
    """The new wording, of a text or below a picture."""

    text: TextBody | None = None
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None


class Correction(WebhookPart, frozen=True, kw_only=True):
    """A message that was edited, or revoked: then there is no new one."""

    original_message_id: str | None = None
    message: EditedMessage | None = None


class SystemNotice(WebhookPart, frozen=True, kw_only=True):
    """A person's address changed. The text names both addresses; older shapes have nothing else."""

    type: str | None = None
    body: str | None = None
    new_wa_id: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    previous_user_id: str | None = None


class WrittenMessage(WebhookPart, frozen=True, kw_only=True, rename={"sender": "from"}):
    """One inbound message of whatever type."""

    CONTEXT_FIELDS: ClassVar[frozenset[str]] = frozenset(
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


class Pricing(WebhookPart, frozen=True, kw_only=True):
    """What Meta will bill it as."""

    category: str | None = None


class Status(WebhookPart, frozen=True, kw_only=True):
    """One step of a message of ours."""

    CONTEXT_FIELDS: ClassVar[frozenset[str]] = frozenset(
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


class Preference(WebhookPart, frozen=True, kw_only=True):
    """Somebody stopped or resumed a category of messages in WhatsApp itself."""

    CONTEXT_FIELDS: ClassVar[frozenset[str]] = frozenset({"category", "value", "timestamp", "wa_id", "user_id"})

    category: str
    value: str
    timestamp: Timestamp
    wa_id: str | None = None
    user_id: str | None = None
