"""What each account webhook means for sending."""

from typing import Any

import pytest

from services.dispatcher.domain.account import (
    Change,
    News,
    PeopleADay,
    SenderHeld,
    SenderReleased,
    TemplateHeld,
    TemplateReleased,
    meaning,
    news_of,
    subject,
)

TEMPLATE = "message_template_status_update"
QUALITY = "phone_number_quality_update"
CAPABILITY = "business_capability_update"
ACCOUNT = "account_update"
NAMES = {"message_template_id": 1, "message_template_name": "t", "message_template_language": "de"}
MOST = "max_daily_conversations_per_business"
PAUSED = TemplateHeld("t/de", "Meta: PAUSED")
RESTRICTED = SenderHeld("Meta: account restricted")
PROMOTION = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1794386600}
REINSTATED = {"waba_ban_state": "REINSTATE"}
NEW_NUMBERS = {"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (TEMPLATE, {**NAMES, "event": "PAUSED", "reason": "NONE"}, PAUSED),
        (TEMPLATE, {**NAMES, "event": "DISABLED"}, TemplateHeld("t/de", "Meta: DISABLED")),
        (TEMPLATE, {**NAMES, "event": "REJECTED", "reason": "SCAM"}, TemplateHeld("t/de", "Meta: REJECTED")),
        (TEMPLATE, {**NAMES, "event": "APPROVED"}, TemplateReleased("t/de")),
        (TEMPLATE, {**NAMES, "event": "REINSTATED"}, TemplateReleased("t/de")),
        (
            TEMPLATE,
            {**NAMES, "message_template_language": "en_US", "event": "REJECTED"},
            TemplateHeld("t/en_US", "Meta: REJECTED"),
        ),
        (TEMPLATE, {**NAMES, "message_template_language": "en-US", "event": "APPROVED"}, TemplateReleased("t/en_US")),
        (TEMPLATE, {"event": "PAUSED", "message_template_name": "t"}, None),
        (TEMPLATE, {**NAMES, "message_template_language": 7, "event": "PAUSED"}, None),
        (TEMPLATE, {**NAMES, "event": "FLAGGED"}, None),
        (TEMPLATE, {**NAMES, "event": "WORD_OF_NEXT_YEAR"}, None),
        (TEMPLATE, {**NAMES, "event": ["PAUSED"]}, None),
        (TEMPLATE, {"event": "PAUSED", "message_template_id": 1}, None),
        (TEMPLATE, {}, None),
        (QUALITY, {"event": "ONBOARDING", MOST: "TIER_250"}, PeopleADay(250)),
        (QUALITY, {"event": "UPGRADE", "old_limit": "TIER_250", "current_limit": "TIER_1K"}, PeopleADay(1000)),
        (QUALITY, {"event": "DOWNGRADE", "old_limit": "TIER_10K", "current_limit": "TIER_2K"}, PeopleADay(2000)),
        (QUALITY, {"event": "UPGRADE", "current_limit": "TIER_1K", MOST: "TIER_10K"}, PeopleADay(10_000)),
        (QUALITY, {"event": "THROUGHPUT_UPGRADE", MOST: "TIER_UNLIMITED"}, PeopleADay(None)),
        (QUALITY, {"event": "ONBOARDING", MOST: "TIER_NOT_SET"}, None),
        (QUALITY, {"event": "FLAGGED", "display_phone_number": "4947919300"}, None),
        (CAPABILITY, {MOST: 2000, "max_phone_numbers_per_business": 20}, PeopleADay(2000)),
        (CAPABILITY, {MOST: "TIER_100K"}, PeopleADay(100_000)),
        (CAPABILITY, {MOST: -1}, PeopleADay(None)),
        (CAPABILITY, {MOST: 10**30}, PeopleADay(10**9)),
        (CAPABILITY, {MOST: True}, None),
        (CAPABILITY, {MOST: {"limit": 7}}, None),
        (CAPABILITY, {"max_daily_conversation_per_phone": 1000}, PeopleADay(1000)),
        (
            ACCOUNT,
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
            SenderHeld("Meta: account disabled"),
        ),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}, None),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, SenderReleased()),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": None}, None),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [NEW_NUMBERS, PROMOTION]}, RESTRICTED),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [NEW_NUMBERS]}, None),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [7, {"restriction_type": []}]}, None),
        (ACCOUNT, {"event": "ACCOUNT_DELETED"}, SenderHeld("Meta: ACCOUNT_DELETED")),
        (ACCOUNT, {"event": "PARTNER_REMOVED"}, SenderHeld("Meta: PARTNER_REMOVED")),
        (ACCOUNT, {"event": "ACCOUNT_OFFBOARDED"}, SenderHeld("Meta: ACCOUNT_OFFBOARDED")),
        (ACCOUNT, {"event": "PARTNER_APP_UNINSTALLED"}, SenderHeld("Meta: PARTNER_APP_UNINSTALLED")),
        (ACCOUNT, {"event": "ACCOUNT_RECONNECTED"}, SenderReleased()),
        (ACCOUNT, {"event": "PARTNER_APP_INSTALLED"}, None),
        (ACCOUNT, {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ADULT"}}, None),
        (ACCOUNT, {"event": {}}, None),
        ("message_template_quality_update", {"new_quality_score": "RED", **NAMES}, None),
        ("template_category_update", {"new_category": "MARKETING", **NAMES}, None),
        ("account_alerts", {"alert_info": {"alert_severity": "CRITICAL"}}, None),
        ("security", {"event": "PIN_CHANGED"}, None),
        ("messages", {"errors": [{"code": 130429}]}, None),
    ],
)
def test_what_an_account_webhook_means(field: str, value: dict[str, Any], expected: Change | None) -> None:
    assert meaning(field, value) == expected


def test_changes_of_one_thing_have_one_subject() -> None:
    assert subject(PAUSED) == subject(TemplateReleased("t/de")) != subject(TemplateReleased("t/en_US"))
    assert subject(SenderReleased()) == subject(RESTRICTED) != subject(PeopleADay(1))


@pytest.mark.parametrize(
    ("field", "value", "lowered", "expected"),
    [
        (TEMPLATE, {**NAMES, "event": "PAUSED"}, False, News.TEMPLATE_HELD),
        (TEMPLATE, {**NAMES, "event": "APPROVED"}, False, News.TEMPLATE_RELEASED),
        (TEMPLATE, {**NAMES, "event": "FLAGGED"}, False, News.QUALITY_LOW),
        (TEMPLATE, {**NAMES, "event": "PENDING"}, False, News.OTHER),
        (QUALITY, {"event": "DOWNGRADE", "current_limit": "TIER_2K"}, False, News.LIMIT_LOWERED),
        (QUALITY, {"event": "UPGRADE", "current_limit": "TIER_2K"}, False, News.LIMIT),
        (QUALITY, {"event": "FLAGGED"}, False, News.QUALITY_LOW),
        (QUALITY, {"event": "UNFLAGGED"}, False, News.OTHER),
        (CAPABILITY, {MOST: 250}, True, News.LIMIT_LOWERED),
        (CAPABILITY, {MOST: 250}, False, News.LIMIT),
        (ACCOUNT, {"event": "ACCOUNT_DELETED"}, False, News.SENDER_HELD),
        (
            ACCOUNT,
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}},
            False,
            News.SENDER_RELEASED,
        ),
        ("message_template_quality_update", {"new_quality_score": "RED", **NAMES}, False, News.QUALITY_LOW),
        ("message_template_quality_update", {"new_quality_score": "GREEN", **NAMES}, False, News.OTHER),
        ("message_template_quality_update", {"new_quality_score": ["RED"], **NAMES}, False, News.OTHER),
        ("template_category_update", {"new_category": "MARKETING", **NAMES}, False, News.CATEGORY),
        ("security", {"event": "PIN_CHANGED"}, False, News.OTHER),
    ],
)
def test_what_an_account_webhook_tells_an_operator(
    field: str, value: dict[str, Any], lowered: bool, expected: News
) -> None:
    assert news_of(field, value, meaning(field, value), lowered=lowered) is expected
