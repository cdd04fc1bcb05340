"""Interpretation of account webhooks: their effect on sending, and their class for metrics.

Source: Meta, webhook references of message_template_status_update, phone_number_quality_update (September 2026),
business_capability_update (December 2025) and account_update (April 2026); older words as seen by integrators.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

TEMPLATE_PAUSING_EVENTS = frozenset(
    {"PAUSED", "DISABLED", "ARCHIVED", "DELETED", "PENDING_DELETION", "LOCKED", "REJECTED"}
)
TEMPLATE_RESUMING_EVENTS = frozenset({"APPROVED", "REINSTATED", "UNARCHIVED"})
LIMIT_FIELDS = frozenset({"business_capability_update", "phone_number_quality_update"})
# Newest first; Meta still sends the older ones along with it.
LIMIT_NAMES = ("max_daily_conversations_per_business", "max_daily_conversation_per_phone", "current_limit")
TIERS = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": None,
}
MAX_LIMIT = 1_000_000_000
ACCOUNT_GONE = frozenset({"ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED", "PARTNER_APP_UNINSTALLED", "PARTNER_REMOVED"})
SENDING_RESTRICTIONS = frozenset({"RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"})
LOW_QUALITY = frozenset({"YELLOW", "RED"})
QUALITY_SCORES = LOW_QUALITY | {"GREEN", "UNKNOWN"}


class AccountUpdate(StrEnum):
    """Classes of account webhooks; each metric starts at 0, so that its first increase is visible."""

    TEMPLATE_PAUSED = "template_paused"
    TEMPLATE_RESUMED = "template_resumed"
    SENDING_PAUSED = "sending_paused"
    SENDING_RESUMED = "sending_resumed"
    LIMIT_LOWERED = "limit_lowered"
    LIMIT = "limit"
    QUALITY_LOW = "quality_low"
    CATEGORY = "category"
    OTHER = "other"


@dataclass(frozen=True)
class TemplatePaused:
    """Meta rejects messages with this template for now; `template` is its key."""

    template: str
    reason: str
    update: ClassVar = AccountUpdate.TEMPLATE_PAUSED


@dataclass(frozen=True)
class TemplateResumed:
    """Meta accepts messages with this template again; `template` is its key."""

    template: str
    update: ClassVar = AccountUpdate.TEMPLATE_RESUMED


@dataclass(frozen=True)
class RecipientLimit:
    """Limit of different people whom we may message in any 24 hours; None is no limit."""

    limit: int | None
    update: ClassVar = AccountUpdate.LIMIT


@dataclass(frozen=True)
class SendingPaused:
    """Meta accepts no messages from us for now."""

    reason: str
    update: ClassVar = AccountUpdate.SENDING_PAUSED


@dataclass(frozen=True)
class SendingResumed:
    """Meta accepts our messages again."""

    update: ClassVar = AccountUpdate.SENDING_RESUMED


@dataclass(frozen=True)
class TemplateQuality:
    """Meta's opinion of a template, which changes nothing yet; `template` is its key."""

    template: str
    score: str

    @property
    def update(self) -> AccountUpdate:
        return AccountUpdate.QUALITY_LOW if self.score in LOW_QUALITY else AccountUpdate.OTHER


AccountChange = TemplatePaused | TemplateResumed | RecipientLimit | SendingPaused | SendingResumed | TemplateQuality


def template_key(name: str, language: str) -> str:
    """Return the key of a template: Meta reviews, pauses and approves each language separately."""
    return f"{name}/{language.replace('-', '_')}"


def interpret_webhook(field: str, value: Mapping[str, Any]) -> AccountChange | None:
    """Return the change that an account webhook reports, or None if it neither affects sending nor may soon."""
    if field == "message_template_status_update":
        return _parse_template_change(value)
    if field == "message_template_quality_update":
        return _parse_template_quality(value)
    if field in LIMIT_FIELDS:
        return _parse_recipient_limit(value)
    return _parse_sender_change(value) if field == "account_update" else None


def identify_subject(change: AccountChange) -> str:
    """Return the subject of a change; of the changes to one subject only the newest counts."""
    match change:
        case TemplatePaused(template) | TemplateResumed(template):
            return f"template {template}"
        case TemplateQuality(template):
            return f"quality {template}"
        case RecipientLimit():
            return "people a day"
        case SendingPaused() | SendingResumed():
            return "sender"


def format_report(change: AccountChange) -> str:
    """Return the report as it is stored: two about one subject differ in it."""
    match change:
        case TemplatePaused(reason=reason) | SendingPaused(reason=reason):
            return reason
        case TemplateQuality(score=score):
            return score
        case RecipientLimit(limit):
            return str(limit)
        case TemplateResumed() | SendingResumed():
            return "accepted"


def classify_update(
    field: str, value: Mapping[str, Any], change: AccountChange | None, *, lowered: bool = False
) -> AccountUpdate:
    """Return the class of a webhook; `lowered` is whether it lowered our limit, which Meta reports only for some."""
    if isinstance(change, RecipientLimit) and (lowered or value.get("event") == "DOWNGRADE"):
        return AccountUpdate.LIMIT_LOWERED
    return change.update if change else _classify_without_change(field, value)


def _classify_without_change(field: str, value: Mapping[str, Any]) -> AccountUpdate:
    match field, value:
        case "phone_number_quality_update" | "message_template_status_update", {"event": "FLAGGED"}:
            return AccountUpdate.QUALITY_LOW
        case "message_template_quality_update", {"new_quality_score": str(score)} if score in LOW_QUALITY:
            return AccountUpdate.QUALITY_LOW
        case "template_category_update", _:
            return AccountUpdate.CATEGORY
        case _:
            return AccountUpdate.OTHER


def _parse_template_change(value: Mapping[str, Any]) -> AccountChange | None:
    match value:
        case {"message_template_name": str(name), "message_template_language": str(language), "event": str(event)}:
            key = template_key(name, language)
            if event in TEMPLATE_PAUSING_EVENTS:
                return TemplatePaused(key, f"Meta: {event}")
            return TemplateResumed(key) if event in TEMPLATE_RESUMING_EVENTS else None
        case _:
            return None


def _parse_template_quality(value: Mapping[str, Any]) -> TemplateQuality | None:
    match value:
        case {
            "message_template_name": str(name),
            "message_template_language": str(language),
            "new_quality_score": str(score),
        } if score in QUALITY_SCORES:
            return TemplateQuality(template_key(name, language), score)
    return None


def _parse_recipient_limit(value: Mapping[str, Any]) -> RecipientLimit | None:
    return next((found for name in LIMIT_NAMES if (found := _parse_tier(value.get(name)))), None)


def _parse_tier(limit: object) -> RecipientLimit | None:
    if isinstance(limit, int) and not isinstance(limit, bool):
        return RecipientLimit(min(limit, MAX_LIMIT) if limit >= 0 else None)
    return RecipientLimit(TIERS[limit]) if isinstance(limit, str) and limit in TIERS else None


def _parse_sender_change(value: Mapping[str, Any]) -> AccountChange | None:
    match value:
        case {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}:
            return SendingPaused("Meta: account disabled")
        case {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}:
            return SendingResumed()
        case {"event": "ACCOUNT_RESTRICTION", "restriction_info": [*restrictions]}:
            return (
                SendingPaused("Meta: account restricted") if any(map(_is_sending_restriction, restrictions)) else None
            )
        case {"event": "ACCOUNT_RECONNECTED"}:
            return SendingResumed()
        case {"event": str(event)} if event in ACCOUNT_GONE:
            return SendingPaused(f"Meta: {event}")
    return None


def _is_sending_restriction(restriction: object) -> bool:
    return isinstance(restriction, Mapping) and restriction.get("restriction_type") in list(SENDING_RESTRICTIONS)
