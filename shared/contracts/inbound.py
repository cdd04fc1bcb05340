"""Events from Meta's webhooks, in groups: exchange `whatsapp.inbound`, published by the ingress."""

from typing import Any, ClassVar

from shared.contracts.message import Addresses, Message, Moment, Value


class InboundMessage(Value, frozen=True, kw_only=True):
    """What one citizen wrote, tapped or sent.

    `message_key` is the keyed hash of the wamid (a wamid contains the sender's number), `about_key` that of
    the message it refers to. `sent_at` is Meta's clock, in whole seconds. `kind` is Meta's `type`. `text` is
    what was typed, the caption, the button's label or the emoji; `payload` the button's or list row's id.
    `error_code` is Meta's code for what it could not pass on.
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
    """Messages of all webhooks that waited at the same moment, in the order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.messages.v1"
    KEY: ClassVar[str] = "messages"

    messages: tuple[InboundMessage, ...]


class DeliveryStatus(Value, frozen=True, kw_only=True):
    """One step of one outbound message.

    `delivery` is what we gave Meta as `biz_opaque_callback_data`. `status` is Meta's word; unknown words
    are passed on. `error_code` is Meta's code where `status` is `failed`.
    """

    message_key: bytes
    status: str
    at: Moment
    received_at: Moment
    delivery: str | None = None
    error_code: int | None = None
    pricing_category: str | None = None


class DeliveryStatuses(Message, frozen=True, kw_only=True):
    """Statuses of all webhooks that waited at the same moment."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.statuses.v1"
    KEY: ClassVar[str] = "statuses"

    statuses: tuple[DeliveryStatus, ...]


class PreferenceChange(Value, frozen=True, kw_only=True):
    """A citizen told WhatsApp itself to stop (or resume) messages of a category from us."""

    person: Addresses
    category: str
    value: str
    at: Moment


class PreferenceChanges(Message, frozen=True, kw_only=True):
    """Meta's own stop and resume, in the order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.preferences.v1"
    KEY: ClassVar[str] = "preferences"

    changes: tuple[PreferenceChange, ...]


class IdentityChange(Value, frozen=True, kw_only=True):
    """A citizen is reached under other addresses than before, as Meta's system message says.

    `before` and `after` hold what is known of each; what did not change may be missing in `after`.
    """

    message_key: bytes
    before: Addresses
    after: Addresses
    at: Moment
    received_at: Moment


class IdentityChanges(Message, frozen=True, kw_only=True):
    """New numbers and new user ids, in the order of arrival."""

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
    """What Meta says about our account, templates, quality and limits: its `field` and `value` unchanged.

    `at` is Meta's clock, where it says so.
    """

    field: str
    received_at: Moment
    value: dict[str, Any]
    at: Moment | None = None


class AccountEvents(Message, frozen=True, kw_only=True):
    """Account webhooks, in the order of arrival."""

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.account.v1"
    KEY: ClassVar[str] = "account"

    events: tuple[AccountEvent, ...]


class WebhookQuarantined(Message, frozen=True, kw_only=True):
    """A part of a webhook with a valid signature that could not be understood; what was understood beside it went on.

    `sealed` opens to a webhook that holds this part alone, or to the whole body if nothing could be cut out of it.
    `kind` is `no_webhook`, `unknown_field` (Meta knows something that we do not), `broken_part`, or `broken_field` for
    one without which the rest of its part went on.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.inbound.quarantined.v1"
    KEY: ClassVar[str] = "quarantined"

    reason: str
    received_at: Moment
    size: int
    sealed: bytes
    kind: str = "broken_part"
