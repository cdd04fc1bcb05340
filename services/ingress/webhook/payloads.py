"""Meta's webhooks: the subscribed fields by subject, and Structs for the parts that we read.

Lists stay raw until each of their items is decoded on its own, so that one malformed item does not affect the
others. Unknown fields are ignored, labels such as types and statuses are plain text, and what Meta calls optional is
optional here. Source of the fields: Meta, webhook reference (September 2026) and its OpenAPI file v23.0; older and
newer names as reported by integrators.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Raw, Struct

from services.ingress.webhook.events import Ignored

Timestamp = int | str


# Lists of citizens' messages, statuses and preferences, each for one of the account's numbers.
CITIZEN_FIELDS = frozenset({"messages", "user_preferences"})

# About our account only: passed on unchanged. A field that is not listed anywhere may hold citizens' numbers and
# texts, so it is encrypted as a whole.
_ACCOUNT_PREFIXES = (
    "account_",
    "business_",
    "flows",
    "message_template_",
    "partner_",
    "payment_configuration_",
    "phone_number_",
    "security",
    "template_",
)

# Irrelevant to a one-way channel: counted but not stored, since most of it is about people.
_IGNORED_FIELDS: Mapping[str, Ignored] = {
    "calls": Ignored.CALL,
    "history": Ignored.COEXISTENCE,
    "message_echoes": Ignored.COEXISTENCE,
    "smb_app_state_sync": Ignored.COEXISTENCE,
    "smb_message_echoes": Ignored.COEXISTENCE,
    "messaging_handovers": Ignored.HANDOVER,
    "standby": Ignored.HANDOVER,
    "automatic_events": Ignored.ADVERTISING,
    "tracking_events": Ignored.ADVERTISING,
}


class WebhookPart(Struct, frozen=True, kw_only=True):
    """Part of a webhook; `CONTEXT_FIELDS` are quarantined with a broken field, so that it can be interpreted."""

    CONTEXT_FIELDS: ClassVar[frozenset[str]] = frozenset()

    @property
    def needed(self) -> frozenset[str]:
        """Return the optional fields that must decode if present: without them the part would mean something else."""
        return frozenset()


class Webhook(WebhookPart, frozen=True, kw_only=True):
    """Whole body of a webhook."""

    object: str
    entry: Sequence[Raw]


class Entry(WebhookPart, frozen=True, kw_only=True):
    """Changes of one account; `time` is present if they concern the account itself.

    Messages need neither `id` nor `time`, so one that does not decode costs nothing.
    """

    changes: Sequence[Raw]
    id: Raw = Raw(b"null")
    time: Raw = Raw(b"null")


class Change(WebhookPart, frozen=True, kw_only=True):
    """Subscribed field and its value."""

    field: str
    value: Raw


class Metadata(WebhookPart, frozen=True, kw_only=True):
    """Phone number of the account that a value concerns."""

    phone_number_id: int | str | None = None


class Failure(WebhookPart, frozen=True, kw_only=True):
    """Error about a message of ours or about the account."""

    code: int | str | None = None
    title: str | None = None


class ChangeValue(WebhookPart, frozen=True, kw_only=True):
    """Value of `messages` and `user_preferences`; any mix of its lists is accepted.

    `message_echoes` and `calls` are only counted.
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
    """Addresses of a person, listed with the messages; either may hold a user id."""

    wa_id: str | None = None
    user_id: str | None = None


class Reference(WebhookPart, frozen=True, kw_only=True):
    """Reference to the message that this one answers."""

    id: str | None = None


class TextBody(WebhookPart, frozen=True, kw_only=True):
    """Typed text."""

    body: str


class Button(WebhookPart, frozen=True, kw_only=True):
    """Quick reply of a template; without a payload there is only its text."""

    text: str | None = None
    payload: str | None = None


class Choice(WebhookPart, frozen=True, kw_only=True):
    """Reply button, or row of a list."""

    id: str | None = None
    title: str | None = None


class FlowReply(WebhookPart, frozen=True, kw_only=True):
    """Completed form; its answers are not read."""

    body: str | None = None


class Interactive(WebhookPart, frozen=True, kw_only=True):
    """Answer to an interactive message of ours."""

    button_reply: Choice | None = None
    list_reply: Choice | None = None
    nfm_reply: FlowReply | None = None


class Media(WebhookPart, frozen=True, kw_only=True):
    """Picture, video or document."""

    caption: str | None = None


class Reaction(WebhookPart, frozen=True, kw_only=True):
    """Emoji on a message; a missing or empty one withdraws the reaction."""

    message_id: str | None = None
    emoji: str | None = None


class EditedMessage(WebhookPart, frozen=True, kw_only=True):
    """New wording of a text or of a caption."""

    text: TextBody | None = None
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None


class Correction(WebhookPart, frozen=True, kw_only=True):
    """Edit of a message, or revocation if there is no new message."""

    original_message_id: str | None = None
    message: EditedMessage | None = None


class SystemNotice(WebhookPart, frozen=True, kw_only=True):
    """Change of a person's address. The text contains both addresses; older shapes have only the text."""

    type: str | None = None
    body: str | None = None
    new_wa_id: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    previous_user_id: str | None = None


class WrittenMessage(WebhookPart, frozen=True, kw_only=True, rename={"sender": "from"}):
    """Inbound message of any type."""

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
    """Price category that Meta will bill."""

    category: str | None = None


class Status(WebhookPart, frozen=True, kw_only=True):
    """Delivery status of a message of ours."""

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
    """Preference set in WhatsApp itself: a person stopped or resumed a category of messages."""

    CONTEXT_FIELDS: ClassVar[frozenset[str]] = frozenset({"category", "value", "timestamp", "wa_id", "user_id"})

    category: str
    value: str
    timestamp: Timestamp
    wa_id: str | None = None
    user_id: str | None = None


def is_about_account(field: str) -> bool:
    """Return whether the field is about our account, templates, quality or limits."""
    return field.startswith(_ACCOUNT_PREFIXES)


def find_ignored_reason(field: str) -> Ignored | None:
    """Return the reason to ignore the field as a whole, or None."""
    return Ignored.GROUP if field.startswith("group_") else _IGNORED_FIELDS.get(field)
