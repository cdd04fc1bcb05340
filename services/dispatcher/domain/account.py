"""What account webhooks mean for sending, and what they tell an operator, in few words, for counting.

Source: Meta, webhook references of message_template_status_update, phone_number_quality_update (September 2026),
business_capability_update (December 2025) and account_update (April 2026); older words where integrators have seen
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

STOPPING = frozenset({"PAUSED", "DISABLED", "ARCHIVED", "DELETED", "PENDING_DELETION", "LOCKED", "REJECTED"})
RELEASING = frozenset({"APPROVED", "REINSTATED", "UNARCHIVED"})
LIMIT_FIELDS = frozenset({"business_capability_update", "phone_number_quality_update"})
# The newest first; the older ones are still sent with it.
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
LARGEST_LIMIT = 1_000_000_000
ACCOUNT_GONE = frozenset({"ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED", "PARTNER_APP_UNINSTALLED", "PARTNER_REMOVED"})
NOT_SENDING = frozenset({"RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"})
LOW_QUALITY = frozenset({"YELLOW", "RED"})


class News(StrEnum):
    """Each is counted from the beginning, so that the first one is seen, too."""

    TEMPLATE_HELD = "template_held"
    TEMPLATE_RELEASED = "template_released"
    SENDER_HELD = "sender_held"
    SENDER_RELEASED = "sender_released"
    LIMIT_LOWERED = "limit_lowered"
    LIMIT = "limit"
    QUALITY_LOW = "quality_low"
    CATEGORY = "category"
    OTHER = "other"


@dataclass(frozen=True)
class TemplateHeld:
    """Meta does not accept this template for now; `template` is its key."""

    template: str
    reason: str
    news: ClassVar = News.TEMPLATE_HELD


@dataclass(frozen=True)
class TemplateReleased:
    """Meta accepts this template again; `template` is its key."""

    template: str
    news: ClassVar = News.TEMPLATE_RELEASED


@dataclass(frozen=True)
class PeopleADay:
    """So many different people may be written to in any 24 hours; None is no limit."""

    limit: int | None
    news: ClassVar = News.LIMIT


@dataclass(frozen=True)
class SenderHeld:
    """Meta takes nothing from us for now."""

    reason: str
    news: ClassVar = News.SENDER_HELD


@dataclass(frozen=True)
class SenderReleased:
    """Meta takes our messages again."""

    news: ClassVar = News.SENDER_RELEASED


Change = TemplateHeld | TemplateReleased | PeopleADay | SenderHeld | SenderReleased


def template_key(name: str, language: str) -> str:
    """Return what a template is known by: Meta reviews, pauses and approves each language on its own."""
    return f"{name}/{language.replace('-', '_')}"


def meaning(field: str, value: Mapping[str, Any]) -> Change | None:
    """What an account webhook changes; None if nothing that concerns sending."""
    if field == "message_template_status_update":
        return _template(value)
    if field in LIMIT_FIELDS:
        return _people(value)
    return _sender(value) if field == "account_update" else None


def subject(change: Change) -> str:
    """What the change is about: of one subject only the newest counts."""
    match change:
        case TemplateHeld(template) | TemplateReleased(template):
            return f"template {template}"
        case PeopleADay():
            return "people a day"
        case SenderHeld() | SenderReleased():
            return "sender"


def news_of(field: str, value: Mapping[str, Any], change: Change | None, *, lowered: bool = False) -> News:
    """`lowered` says whether a limit became smaller than it was here; Meta says so itself with some."""
    if isinstance(change, PeopleADay) and (lowered or value.get("event") == "DOWNGRADE"):
        return News.LIMIT_LOWERED
    return change.news if change else _news_without_change(field, value)


def _news_without_change(field: str, value: Mapping[str, Any]) -> News:
    match field, value:
        case "phone_number_quality_update" | "message_template_status_update", {"event": "FLAGGED"}:
            return News.QUALITY_LOW
        case "message_template_quality_update", {"new_quality_score": str(score)} if score in LOW_QUALITY:
            return News.QUALITY_LOW
        case "template_category_update", _:
            return News.CATEGORY
        case _:
            return News.OTHER


def _template(value: Mapping[str, Any]) -> Change | None:
    match value:
        case {"message_template_name": str(name), "message_template_language": str(language), "event": str(event)}:
            key = template_key(name, language)
            if event in STOPPING:
                return TemplateHeld(key, f"Meta: {event}")
            return TemplateReleased(key) if event in RELEASING else None
        case _:
            return None


def _people(value: Mapping[str, Any]) -> PeopleADay | None:
    return next((found for name in LIMIT_NAMES if (found := _tier(value.get(name)))), None)


def _tier(limit: object) -> PeopleADay | None:
    if isinstance(limit, int) and not isinstance(limit, bool):
        return PeopleADay(min(limit, LARGEST_LIMIT) if limit >= 0 else None)
    return PeopleADay(TIERS[limit]) if isinstance(limit, str) and limit in TIERS else None


def _sender(value: Mapping[str, Any]) -> Change | None:
    match value:
        case {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}:
            return SenderHeld("Meta: account disabled")
        case {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}:
            return SenderReleased()
        case {"event": "ACCOUNT_RESTRICTION", "restriction_info": [*restrictions]}:
            return SenderHeld("Meta: account restricted") if any(map(_stops_sending, restrictions)) else None
        case {"event": "ACCOUNT_RECONNECTED"}:
            return SenderReleased()
        case {"event": str(event)} if event in ACCOUNT_GONE:
            return SenderHeld(f"Meta: {event}")
    return None


def _stops_sending(restriction: object) -> bool:
    return isinstance(restriction, Mapping) and restriction.get("restriction_type") in list(NOT_SENDING)
