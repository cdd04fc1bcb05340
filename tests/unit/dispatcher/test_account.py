"""What each account webhook means for sending."""

from typing import Any

import pytest

from services.dispatcher.domain.account import (
    AccountChange,
    AccountUpdate,
    RecipientLimit,
    SendingPaused,
    SendingResumed,
    TemplatePaused,
    TemplateQuality,
    TemplateResumed,
    classify_update,
    identify_subject,
    interpret_webhook,
)

TEMPLATE = "message_template_status_update"
QUALITY = "phone_number_quality_update"
CAPABILITY = "business_capability_update"
ACCOUNT = "account_update"
NAMES = {"message_template_id": 1, "message_template_name": "t", "message_template_language": "de"}
MOST = "max_daily_conversations_per_business"
PAUSED = TemplatePaused("t/de", "Meta: PAUSED")
RESTRICTED = SendingPaused("Meta: account restricted")
PROMOTION = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1794386600}
REINSTATED = {"waba_ban_state": "REINSTATE"}
NEW_NUMBERS = {"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (TEMPLATE, {**NAMES, "event": "PAUSED", "reason": "NONE"}, PAUSED),
        (TEMPLATE, {**NAMES, "event": "DISABLED"}, TemplatePaused("t/de", "Meta: DISABLED")),
        (TEMPLATE, {**NAMES, "event": "REJECTED", "reason": "SCAM"}, TemplatePaused("t/de", "Meta: REJECTED")),
        (TEMPLATE, {**NAMES, "event": "APPROVED"}, TemplateResumed("t/de")),
        (TEMPLATE, {**NAMES, "event": "REINSTATED"}, TemplateResumed("t/de")),
        (
            TEMPLATE,
            {**NAMES, "message_template_language": "en_US", "event": "REJECTED"},
            TemplatePaused("t/en_US", "Meta: REJECTED"),
        ),
        (TEMPLATE, {**NAMES, "message_template_language": "en-US", "event": "APPROVED"}, TemplateResumed("t/en_US")),
        (TEMPLATE, {"event": "PAUSED", "message_template_name": "t"}, None),
        (TEMPLATE, {**NAMES, "message_template_language": 7, "event": "PAUSED"}, None),
        (TEMPLATE, {**NAMES, "event": "FLAGGED"}, None),
        (TEMPLATE, {**NAMES, "event": "WORD_OF_NEXT_YEAR"}, None),
        (TEMPLATE, {**NAMES, "event": ["PAUSED"]}, None),
        (TEMPLATE, {"event": "PAUSED", "message_template_id": 1}, None),
        (TEMPLATE, {}, None),
        (QUALITY, {"event": "ONBOARDING", MOST: "TIER_250"}, RecipientLimit(250)),
        (QUALITY, {"event": "UPGRADE", "old_limit": "TIER_250", "current_limit": "TIER_1K"}, RecipientLimit(1000)),
        (QUALITY, {"event": "DOWNGRADE", "old_limit": "TIER_10K", "current_limit": "TIER_2K"}, RecipientLimit(2000)),
        (QUALITY, {"event": "UPGRADE", "current_limit": "TIER_1K", MOST: "TIER_10K"}, RecipientLimit(10_000)),
        (QUALITY, {"event": "THROUGHPUT_UPGRADE", MOST: "TIER_UNLIMITED"}, RecipientLimit(None)),
        (QUALITY, {"event": "ONBOARDING", MOST: "TIER_NOT_SET"}, None),
        (QUALITY, {"event": "FLAGGED", "display_phone_number": "4947919300"}, None),
        (CAPABILITY, {MOST: 2000, "max_phone_numbers_per_business": 20}, RecipientLimit(2000)),
        (CAPABILITY, {MOST: "TIER_100K"}, RecipientLimit(100_000)),
        (CAPABILITY, {MOST: -1}, RecipientLimit(None)),
        (CAPABILITY, {MOST: 10**30}, RecipientLimit(10**9)),
        (CAPABILITY, {MOST: True}, None),
        (CAPABILITY, {MOST: {"limit": 7}}, None),
        (CAPABILITY, {"max_daily_conversation_per_phone": 1000}, RecipientLimit(1000)),
        (
            ACCOUNT,
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
            SendingPaused("Meta: account disabled"),
        ),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}, None),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, SendingResumed()),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": None}, None),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [NEW_NUMBERS, PROMOTION]}, RESTRICTED),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [NEW_NUMBERS]}, None),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [7, {"restriction_type": []}]}, None),
        (ACCOUNT, {"event": "ACCOUNT_DELETED"}, SendingPaused("Meta: ACCOUNT_DELETED")),
        (ACCOUNT, {"event": "PARTNER_REMOVED"}, SendingPaused("Meta: PARTNER_REMOVED")),
        (ACCOUNT, {"event": "ACCOUNT_OFFBOARDED"}, SendingPaused("Meta: ACCOUNT_OFFBOARDED")),
        (ACCOUNT, {"event": "PARTNER_APP_UNINSTALLED"}, SendingPaused("Meta: PARTNER_APP_UNINSTALLED")),
        (ACCOUNT, {"event": "ACCOUNT_RECONNECTED"}, SendingResumed()),
        (ACCOUNT, {"event": "PARTNER_APP_INSTALLED"}, None),
        (ACCOUNT, {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ADULT"}}, None),
        (ACCOUNT, {"event": {}}, None),
        ("message_template_quality_update", {"new_quality_score": "RED", **NAMES}, TemplateQuality("t/de", "RED")),
        ("message_template_quality_update", {"new_quality_score": "RED"}, None),
        ("message_template_quality_update", {"new_quality_score": "VIOLET", **NAMES}, None),
        ("template_category_update", {"new_category": "MARKETING", **NAMES}, None),
        ("account_alerts", {"alert_info": {"alert_severity": "CRITICAL"}}, None),
        ("security", {"event": "PIN_CHANGED"}, None),
        ("messages", {"errors": [{"code": 130429}]}, None),
    ],
)
def test_what_an_account_webhook_means(field: str, value: dict[str, Any], expected: AccountChange | None) -> None:
    assert interpret_webhook(field, value) == expected


def test_changes_of_one_thing_have_one_subject() -> None:
    assert (
        identify_subject(PAUSED)
        == identify_subject(TemplateResumed("t/de"))
        != identify_subject(TemplateResumed("t/en_US"))
    )
    assert identify_subject(SendingResumed()) == identify_subject(RESTRICTED) != identify_subject(RecipientLimit(1))


@pytest.mark.parametrize(
    ("field", "value", "lowered", "expected"),
    [
        (TEMPLATE, {**NAMES, "event": "PAUSED"}, False, AccountUpdate.TEMPLATE_PAUSED),
        (TEMPLATE, {**NAMES, "event": "APPROVED"}, False, AccountUpdate.TEMPLATE_RESUMED),
        (TEMPLATE, {**NAMES, "event": "FLAGGED"}, False, AccountUpdate.QUALITY_LOW),
        (TEMPLATE, {**NAMES, "event": "PENDING"}, False, AccountUpdate.OTHER),
        (QUALITY, {"event": "DOWNGRADE", "current_limit": "TIER_2K"}, False, AccountUpdate.LIMIT_LOWERED),
        (QUALITY, {"event": "UPGRADE", "current_limit": "TIER_2K"}, False, AccountUpdate.LIMIT),
        (QUALITY, {"event": "FLAGGED"}, False, AccountUpdate.QUALITY_LOW),
        (QUALITY, {"event": "UNFLAGGED"}, False, AccountUpdate.OTHER),
        (CAPABILITY, {MOST: 250}, True, AccountUpdate.LIMIT_LOWERED),
        (CAPABILITY, {MOST: 250}, False, AccountUpdate.LIMIT),
        (ACCOUNT, {"event": "ACCOUNT_DELETED"}, False, AccountUpdate.SENDING_PAUSED),
        (
            ACCOUNT,
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}},
            False,
            AccountUpdate.SENDING_RESUMED,
        ),
        ("message_template_quality_update", {"new_quality_score": "RED", **NAMES}, False, AccountUpdate.QUALITY_LOW),
        ("message_template_quality_update", {"new_quality_score": "GREEN", **NAMES}, False, AccountUpdate.OTHER),
        ("message_template_quality_update", {"new_quality_score": "RED"}, False, AccountUpdate.QUALITY_LOW),
        ("message_template_quality_update", {"new_quality_score": ["RED"], **NAMES}, False, AccountUpdate.OTHER),
        ("template_category_update", {"new_category": "MARKETING", **NAMES}, False, AccountUpdate.CATEGORY),
        ("security", {"event": "PIN_CHANGED"}, False, AccountUpdate.OTHER),
    ],
)
def test_what_an_account_webhook_tells_an_operator(
    field: str, value: dict[str, Any], lowered: bool, expected: AccountUpdate
) -> None:
    assert classify_update(field, value, interpret_webhook(field, value), lowered=lowered) is expected
