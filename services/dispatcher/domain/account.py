"""Interpretation of account webhooks: their effect on sending, and their class for metrics.

Source: Meta, webhook references of message_template_status_update, phone_number_quality_update (September 2026),
business_capability_update (December 2025) and account_update (April 2026); older words as seen by integrators.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# The reasons of pauses are German: they are what editors and operators read.
TEMPLATE_PAUSING_EVENTS: Mapping[str, str] = {
    "PAUSED": "von Meta angehalten",
    "DISABLED": "von Meta abgeschaltet",
    "ARCHIVED": "bei Meta archiviert",
    "DELETED": "bei Meta gelöscht",
    "PENDING_DELETION": "bei Meta zum Löschen vorgemerkt",
    "LOCKED": "von Meta gesperrt",
    "REJECTED": "von Meta abgelehnt",
}
TEMPLATE_RESUMING_EVENTS = ("APPROVED", "REINSTATED", "UNARCHIVED")
TEMPLATE_FIELDS = ("message_template_status_update", "message_template_quality_update")
LIMIT_FIELDS = ("business_capability_update", "phone_number_quality_update")
# Newest first; Meta still sends the older ones, too.
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
ACCOUNT_GONE: Mapping[str, str] = {
    "ACCOUNT_DELETED": "unser Konto bei Meta ist gelöscht",
    "ACCOUNT_OFFBOARDED": "unser Konto ist von Metas Schnittstelle abgemeldet",
    "PARTNER_APP_UNINSTALLED": "unsere Anwendung ist im Konto bei Meta nicht mehr installiert",
    "PARTNER_REMOVED": "unser Zugriff auf das Konto bei Meta ist entzogen",
}
SENDING_RESTRICTIONS = ("RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING")
LOW_QUALITY = ("YELLOW", "RED")
QUALITY_SCORES = (*LOW_QUALITY, "GREEN", "UNKNOWN")


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
class AccountReport:
    """Report of a change of our account. For each subject only the newest report counts, and only once.

    `word` is the new state: why it pauses sending, "accepted", a quality or a limit. `template` is the key of a
    template, `limit` how many different people we may message in any 24 hours; None means no limit.
    """

    update: AccountUpdate
    subject: str
    word: str
    template: str = ""
    limit: int | None = None


def template_key(name: str, language: str) -> str:
    """Return the key of a template: Meta reviews, pauses and approves each language separately."""
    return f"{name}/{language.replace('-', '_')}"


def interpret_webhook(field: str, value: Mapping[str, Any]) -> AccountReport | None:
    """Return the change that an account webhook reports, or None if it neither affects sending nor may do so soon."""
    if field in TEMPLATE_FIELDS:
        return _parse_template_report(value)
    if field in LIMIT_FIELDS:
        return next((report for name in LIMIT_NAMES if (report := _parse_tier(value.get(name)))), None)
    return _parse_sender_change(value) if field == "account_update" else None


def classify_update(
    field: str, value: Mapping[str, Any], change: AccountReport | None, *, lowered: bool = False
) -> AccountUpdate:
    """Return the class of a webhook; `lowered` is whether it lowered our limit, which Meta reports only for some."""
    if change and change.update is AccountUpdate.LIMIT and (lowered or value.get("event") == "DOWNGRADE"):
        return AccountUpdate.LIMIT_LOWERED
    if change:
        return change.update
    match field, value:
        case "phone_number_quality_update" | "message_template_status_update", {"event": "FLAGGED"}:
            return AccountUpdate.QUALITY_LOW
        case "message_template_quality_update", {"new_quality_score": str(score)} if score in LOW_QUALITY:
            return AccountUpdate.QUALITY_LOW
        case "template_category_update", _:
            return AccountUpdate.CATEGORY
        case _:
            return AccountUpdate.OTHER


def _parse_template_report(value: Mapping[str, Any]) -> AccountReport | None:
    match value:
        case {"message_template_name": str(name), "message_template_language": str(language)}:
            key = template_key(name, language)
        case _:
            return None
    match value:
        case {"event": str(event)} if event in TEMPLATE_PAUSING_EVENTS:
            return AccountReport(AccountUpdate.TEMPLATE_PAUSED, f"template {key}", TEMPLATE_PAUSING_EVENTS[event], key)
        case {"event": str(event)} if event in TEMPLATE_RESUMING_EVENTS:
            return AccountReport(AccountUpdate.TEMPLATE_RESUMED, f"template {key}", "accepted", key)
        case {"new_quality_score": str(score)} if score in QUALITY_SCORES:
            update = AccountUpdate.QUALITY_LOW if score in LOW_QUALITY else AccountUpdate.OTHER
            return AccountReport(update, f"quality {key}", score)
        case _:
            return None


def _parse_tier(value: object) -> AccountReport | None:
    if isinstance(value, int) and not isinstance(value, bool):
        limit = min(value, MAX_LIMIT) if value >= 0 else None
    elif isinstance(value, str) and value in TIERS:
        limit = TIERS[value]
    else:
        return None
    return AccountReport(AccountUpdate.LIMIT, "people a day", str(limit), limit=limit)


def _parse_sender_change(value: Mapping[str, Any]) -> AccountReport | None:
    match value:
        case {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}:
            reason = "unser Konto ist von Meta gesperrt"
        case {"event": "ACCOUNT_RESTRICTION", "restriction_info": [*infos]} if any(map(_is_sending_restriction, infos)):
            reason = "unser Konto ist von Meta eingeschränkt"
        case {"event": str(event)} if event in ACCOUNT_GONE:
            reason = ACCOUNT_GONE[event]
        case {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}} | {
            "event": "ACCOUNT_RECONNECTED"
        }:
            return AccountReport(AccountUpdate.SENDING_RESUMED, "sender", "accepted")
        case _:
            return None
    return AccountReport(AccountUpdate.SENDING_PAUSED, "sender", reason)


def _is_sending_restriction(restriction: object) -> bool:
    return isinstance(restriction, Mapping) and restriction.get("restriction_type") in SENDING_RESTRICTIONS
