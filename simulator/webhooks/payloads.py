"""Meta's webhook objects; fields that are None are omitted."""

from typing import Any

from msgspec import Struct


class Profile(Struct, gc=False):
    name: str


class ContactPayload(Struct, gc=False, omit_defaults=True):
    profile: Profile | None = None
    wa_id: str | None = None
    user_id: str | None = None


class Context(Struct, gc=False, omit_defaults=True, rename={"from_": "from"}):
    from_: str | None = None
    id: str | None = None
    forwarded: bool = False


class TextPayload(Struct, gc=False):
    body: str


class ButtonPress(Struct, gc=False):
    payload: str
    text: str


class ChoicePayload(Struct, gc=False, omit_defaults=True):
    id: str
    title: str
    description: str | None = None


class InteractiveReply(Struct, gc=False, omit_defaults=True):
    type: str
    button_reply: ChoicePayload | None = None
    list_reply: ChoicePayload | None = None


class ReactionPayload(Struct, gc=False, omit_defaults=True):
    message_id: str
    emoji: str | None = None


class EditedMessagePayload(Struct, gc=False):
    type: str
    text: TextPayload


class CorrectionPayload(Struct, gc=False, omit_defaults=True):
    """An edit of a message; a revocation if there is no new `message`."""

    original_message_id: str
    message: EditedMessagePayload | None = None


class SystemNoticePayload(Struct, gc=False, omit_defaults=True):
    type: str
    body: str
    user_id: str | None = None
    previous_user_id: str | None = None
    wa_id: str | None = None
    new_wa_id: str | None = None


class ErrorData(Struct, gc=False):
    details: str


class WebhookError(Struct, gc=False, omit_defaults=True):
    code: int
    title: str
    message: str
    error_data: ErrorData
    href: str | None = None


class Unsupported(Struct, gc=False):
    type: str


class MessagePayload(Struct, gc=False, omit_defaults=True, kw_only=True, rename={"from_": "from"}):
    """One item of `messages[]`."""

    from_: str | None = None
    from_user_id: str | None = None
    id: str
    timestamp: str
    type: str
    context: Context | None = None
    text: TextPayload | None = None
    button: ButtonPress | None = None
    interactive: InteractiveReply | None = None
    reaction: ReactionPayload | None = None
    image: dict[str, Any] | None = None
    video: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    sticker: dict[str, Any] | None = None
    location: dict[str, Any] | None = None
    contacts: list[dict[str, Any]] | None = None
    edit: CorrectionPayload | None = None
    revoke: CorrectionPayload | None = None
    system: SystemNoticePayload | None = None
    errors: list[WebhookError] | None = None
    unsupported: Unsupported | None = None


class PricingPayload(Struct, gc=False, frozen=True):
    billable: bool
    pricing_model: str
    type: str
    category: str


class StatusPayload(Struct, gc=False, omit_defaults=True, kw_only=True):
    """One item of `statuses[]`."""

    id: str
    status: str
    timestamp: str
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    biz_opaque_callback_data: str | None = None
    pricing: PricingPayload | None = None
    errors: list[WebhookError] | None = None


class PreferencePayload(Struct, gc=False, omit_defaults=True, kw_only=True):
    """One item of `user_preferences[]`; its timestamp is a number, unlike all others."""

    wa_id: str | None = None
    user_id: str | None = None
    detail: str
    category: str
    value: str
    timestamp: int
