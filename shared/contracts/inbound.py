"""Events from Meta's webhooks, in groups: exchange `whatsapp.inbound`, published by the ingress."""

from typing import Any, ClassVar

from shared.contracts.message import Addresses, Message, Moment, Value


class InboundMessage(Value, frozen=True, kw_only=True):
    """Message from a citizen: text, tap, reaction or media.

    `message_key` is the keyed hash of the wamid (which contains the sender's number), `about_key` that of the message
    it refers to. `sent_at` is by Meta's clock, in whole seconds. `kind` is Meta's `type`. `text` is the typed text,
    caption, button label or emoji; `payload` the id of the button or list row. `error_code` is Meta's code for content
    that it could not pass on.
    """

    message_key: bytes
    sender: Addresses
    sent_at: Moment
    received_at: Moment
    kind: str
    text: str | None = None
    payload: str | None = None
    about_key: bytes | None = None
    error_code: int | None = None


class InboundMessages(Message, frozen=True, kw_only=True):
    """Messages of all webhooks waiting at the same moment, in order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.messages.v1"
    KEY: ClassVar[str] = "messages"

    messages: tuple[InboundMessage, ...]


class DeliveryStatus(Value, frozen=True, kw_only=True):
    """Delivery status of one outbound message.

    `delivery` is what we passed to Meta as `biz_opaque_callback_data`. `status` is Meta's word; unknown words are
    passed on. `error_code` is Meta's code if `status` is `failed`.
    """

    message_key: bytes
    status: str
    at: Moment
    received_at: Moment
    delivery: str | None = None
    error_code: int | None = None
    pricing_category: str | None = None


class DeliveryStatuses(Message, frozen=True, kw_only=True):
    """Statuses of all webhooks waiting at the same moment."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.statuses.v1"
    KEY: ClassVar[str] = "statuses"

    statuses: tuple[DeliveryStatus, ...]


class PreferenceChange(Value, frozen=True, kw_only=True):
    """A citizen stopped (or resumed) our messages of a category inside WhatsApp."""

    person: Addresses
    category: str
    value: str
    at: Moment


class PreferenceChanges(Message, frozen=True, kw_only=True):
    """Preferences set inside WhatsApp, in order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.preferences.v1"
    KEY: ClassVar[str] = "preferences"

    changes: tuple[PreferenceChange, ...]


class IdentityChange(Value, frozen=True, kw_only=True):
    """A citizen's addresses changed, according to Meta's system message.

    `before` and `after` hold the known addresses; an unchanged one may be missing in `after`.
    """

    message_key: bytes
    before: Addresses
    after: Addresses
    at: Moment
    received_at: Moment


class IdentityChanges(Message, frozen=True, kw_only=True):
    """New numbers and new user ids, in order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.identities.v1"
    KEY: ClassVar[str] = "identities"

    changes: tuple[IdentityChange, ...]


# The account fields that Meta documents; metrics by field count all others as "other".
ACCOUNT_FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_settings_update",
        "account_update",
        "business_capability_update",
        "business_status_update",
        "flows",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "messages",
        "partner_solutions",
        "payment_configuration_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "template_category_update",
        "user_preferences",
    }
)


class AccountEvent(Value, frozen=True, kw_only=True):
    """Meta's report about our account, templates, quality or limits: its `field` and `value` unchanged.

    `at` is by Meta's clock, if given.
    """

    field: str
    received_at: Moment
    value: dict[str, Any]
    at: Moment | None = None


class AccountEvents(Message, frozen=True, kw_only=True):
    """Account webhooks, in order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.account.v1"
    KEY: ClassVar[str] = "account"

    events: tuple[AccountEvent, ...]


class WebhookQuarantined(Message, frozen=True, kw_only=True):
    """A part of a correctly signed webhook that could not be parsed; the other parts were processed.

    `sealed` decrypts to a webhook with only this part, or to the whole body if the part could not be extracted. `kind`
    is `no_webhook`, `unknown_field` (a Meta field that we do not know), `broken_part`, or `broken_field` if the rest of
    its part was processed.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.quarantined.v1"
    KEY: ClassVar[str] = "quarantined"

    reason: str
    received_at: Moment
    size: int
    sealed: bytes
    kind: str = "broken_part"
