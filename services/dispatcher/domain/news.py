"""What an account webhook tells an operator, in few words, for counting."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from services.dispatcher.domain.account import (
    Change,
    PeopleADay,
    SenderHeld,
    SenderReleased,
    TemplateHeld,
    TemplateReleased,
)

LOW = frozenset({"YELLOW", "RED"})


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


def news_of(field: str, value: Mapping[str, Any], change: Change | None, *, lowered: bool = False) -> News:
    """`lowered` says whether a limit became smaller than it was here; Meta says so itself with some."""
    match change:
        case TemplateHeld():
            return News.TEMPLATE_HELD
        case TemplateReleased():
            return News.TEMPLATE_RELEASED
        case SenderHeld():
            return News.SENDER_HELD
        case SenderReleased():
            return News.SENDER_RELEASED
        case PeopleADay():
            return News.LIMIT_LOWERED if lowered or value.get("event") == "DOWNGRADE" else News.LIMIT
        case None:
            return _without_change(field, value)


def _without_change(field: str, value: Mapping[str, Any]) -> News:
    match field, value:
        case "phone_number_quality_update" | "message_template_status_update", {"event": "FLAGGED"}:
            return News.QUALITY_LOW
        case "message_template_quality_update", {"new_quality_score": str(score)} if score in LOW:
            return News.QUALITY_LOW
        case "template_category_update", _:
            return News.CATEGORY
        case _:
            return News.OTHER
