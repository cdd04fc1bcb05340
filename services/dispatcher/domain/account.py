"""What account webhooks mean for sending.

Source: Meta, webhook references of message_template_status_update, phone_number_quality_update (September 2026)
and business_capability_update (December 2025).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STOPPING = frozenset({"PAUSED", "DISABLED", "ARCHIVED", "DELETED", "PENDING_DELETION", "LOCKED", "REJECTED"})
RELEASING = frozenset({"APPROVED", "REINSTATED", "UNARCHIVED"})
TIERS = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": None,
}


@dataclass(frozen=True)
class TemplateHeld:
    """Meta does not accept this template for now."""

    template: str
    reason: str


@dataclass(frozen=True)
class TemplateReleased:
    """Meta accepts this template again."""

    template: str


@dataclass(frozen=True)
class PeopleADay:
    """So many different people may be written to in any 24 hours; None is no limit."""

    limit: int | None


Change = TemplateHeld | TemplateReleased | PeopleADay | None


def meaning(field: str, value: Mapping[str, Any]) -> Change:
    """What an account webhook changes; None if nothing that concerns sending."""
    match field:
        case "message_template_status_update":
            return _template(value)
        case "business_capability_update" | "phone_number_quality_update":
            return _tier(value.get("max_daily_conversations_per_business"))
        case _:
            return None


def _template(value: Mapping[str, Any]) -> Change:
    name, event = value.get("message_template_name"), value.get("event")
    if not isinstance(name, str):
        return None
    if event in STOPPING:
        return TemplateHeld(name, f"Meta: {event}")
    return TemplateReleased(name) if event in RELEASING else None


def _tier(limit: object) -> Change:
    if isinstance(limit, int) and not isinstance(limit, bool):
        return PeopleADay(None if limit < 0 else limit)
    return PeopleADay(TIERS[limit]) if isinstance(limit, str) and limit in TIERS else None
