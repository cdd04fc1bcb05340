"""Effect of each account webhook on sending."""

from typing import Any

import pytest

from services.dispatcher.domain.account import (
    ACCOUNT_GONE,
    AccountReport,
    AccountUpdate,
    classify_update,
    interpret_webhook,
)

TEMPLATE = "message_template_status_update"
QUALITY = "phone_number_quality_update"
CAPABILITY = "business_capability_update"
ACCOUNT = "account_update"
NAMES = {"message_template_id": 1, "message_template_name": "t", "message_template_language": "de"}
MOST = "max_daily_conversations_per_business"
RESUMED = AccountReport(AccountUpdate.SENDING_RESUMED, "sender", "accepted")
RED = AccountReport(AccountUpdate.QUALITY_LOW, "quality t/de", "RED")
PROMOTION = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1794386600}
REINSTATED = {"waba_ban_state": "REINSTATE"}
NEW_NUMBERS = {"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION"}


def template_paused(template: str, report: str) -> AccountReport:
    return AccountReport(AccountUpdate.TEMPLATE_PAUSED, f"template {template}", report, template)


def template_resumed(template: str) -> AccountReport:
    return AccountReport(AccountUpdate.TEMPLATE_RESUMED, f"template {template}", "accepted", template)


def sending_paused(report: str) -> AccountReport:
    return AccountReport(AccountUpdate.SENDING_PAUSED, "sender", report)


def limited_to(limit: int | None) -> AccountReport:
    return AccountReport(AccountUpdate.LIMIT, "people a day", str(limit), limit=limit)


PAUSED = template_paused("t/de", "von Meta angehalten")
RESTRICTED = sending_paused("unser Konto ist von Meta eingeschränkt")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (TEMPLATE, {**NAMES, "event": "PAUSED", "reason": "NONE"}, PAUSED),
        (TEMPLATE, {**NAMES, "event": "DISABLED"}, template_paused("t/de", "von Meta abgeschaltet")),
        (TEMPLATE, {**NAMES, "event": "REJECTED", "reason": "SCAM"}, template_paused("t/de", "von Meta abgelehnt")),
        (TEMPLATE, {**NAMES, "event": "APPROVED"}, template_resumed("t/de")),
        (TEMPLATE, {**NAMES, "event": "REINSTATED"}, template_resumed("t/de")),
        (
            TEMPLATE,
            {**NAMES, "message_template_language": "en_US", "event": "REJECTED"},
            template_paused("t/en_US", "von Meta abgelehnt"),
        ),
        (TEMPLATE, {**NAMES, "message_template_language": "en-US", "event": "APPROVED"}, template_resumed("t/en_US")),
        (TEMPLATE, {"event": "PAUSED", "message_template_name": "t"}, None),
        (TEMPLATE, {**NAMES, "message_template_language": 7, "event": "PAUSED"}, None),
        (TEMPLATE, {**NAMES, "event": "FLAGGED"}, None),
        (TEMPLATE, {**NAMES, "event": "WORD_OF_NEXT_YEAR"}, None),
        (TEMPLATE, {**NAMES, "event": ["PAUSED"]}, None),
        (TEMPLATE, {"event": "PAUSED", "message_template_id": 1}, None),
        (TEMPLATE, {}, None),
        (QUALITY, {"event": "ONBOARDING", MOST: "TIER_250"}, limited_to(250)),
        (QUALITY, {"event": "UPGRADE", "old_limit": "TIER_250", "current_limit": "TIER_1K"}, limited_to(1000)),
        (QUALITY, {"event": "DOWNGRADE", "old_limit": "TIER_10K", "current_limit": "TIER_2K"}, limited_to(2000)),
        (QUALITY, {"event": "UPGRADE", "current_limit": "TIER_1K", MOST: "TIER_10K"}, limited_to(10_000)),
        (QUALITY, {"event": "THROUGHPUT_UPGRADE", MOST: "TIER_UNLIMITED"}, limited_to(None)),
        (QUALITY, {"event": "ONBOARDING", MOST: "TIER_NOT_SET"}, None),
        (QUALITY, {"event": "FLAGGED", "display_phone_number": "4947919300"}, None),
        (CAPABILITY, {MOST: 2000, "max_phone_numbers_per_business": 20}, limited_to(2000)),
        (CAPABILITY, {MOST: "TIER_100K"}, limited_to(100_000)),
        (CAPABILITY, {MOST: -1}, limited_to(None)),
        (CAPABILITY, {MOST: 10**30}, limited_to(10**9)),
        (CAPABILITY, {MOST: True}, None),
        (CAPABILITY, {MOST: {"limit": 7}}, None),
        (CAPABILITY, {"max_daily_conversation_per_phone": 1000}, limited_to(1000)),
        (
            ACCOUNT,
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
            sending_paused("unser Konto ist von Meta gesperrt"),
        ),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}, None),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, RESUMED),
        (ACCOUNT, {"event": "DISABLED_UPDATE", "ban_info": None}, None),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [NEW_NUMBERS, PROMOTION]}, RESTRICTED),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [NEW_NUMBERS]}, None),
        (ACCOUNT, {"event": "ACCOUNT_RESTRICTION", "restriction_info": [7, {"restriction_type": []}]}, None),
        (ACCOUNT, {"event": "ACCOUNT_DELETED"}, sending_paused("unser Konto bei Meta ist gelöscht")),
        (ACCOUNT, {"event": "PARTNER_REMOVED"}, sending_paused("unser Zugriff auf das Konto bei Meta ist entzogen")),
        (ACCOUNT, {"event": "ACCOUNT_OFFBOARDED"}, sending_paused(ACCOUNT_GONE["ACCOUNT_OFFBOARDED"])),
        (ACCOUNT, {"event": "PARTNER_APP_UNINSTALLED"}, sending_paused(ACCOUNT_GONE["PARTNER_APP_UNINSTALLED"])),
        (ACCOUNT, {"event": "ACCOUNT_RECONNECTED"}, RESUMED),
        (ACCOUNT, {"event": "PARTNER_APP_INSTALLED"}, None),
        (ACCOUNT, {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ADULT"}}, None),
        (ACCOUNT, {"event": {}}, None),
        ("message_template_quality_update", {"new_quality_score": "RED", **NAMES}, RED),
        ("message_template_quality_update", {"new_quality_score": "RED"}, None),
        ("message_template_quality_update", {"new_quality_score": "VIOLET", **NAMES}, None),
        ("template_category_update", {"new_category": "MARKETING", **NAMES}, None),
        ("account_alerts", {"alert_info": {"alert_severity": "CRITICAL"}}, None),
        ("security", {"event": "PIN_CHANGED"}, None),
        ("messages", {"errors": [{"code": 130429}]}, None),
    ],
)
def test_what_an_account_webhook_means(field: str, value: dict[str, Any], expected: AccountReport | None) -> None:
    assert interpret_webhook(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "lowered", "expected"),
    [
        (TEMPLATE, {**NAMES, "event": "PAUSED"}, False, AccountUpdate.TEMPLATE_PAUSED),
        (TEMPLATE, {**NAMES, "event": "FLAGGED"}, False, AccountUpdate.QUALITY_LOW),
        (TEMPLATE, {**NAMES, "event": "PENDING"}, False, AccountUpdate.OTHER),
        (QUALITY, {"event": "DOWNGRADE", "current_limit": "TIER_2K"}, False, AccountUpdate.LIMIT_LOWERED),
        (QUALITY, {"event": "UPGRADE", "current_limit": "TIER_2K"}, False, AccountUpdate.LIMIT),
        (QUALITY, {"event": "FLAGGED"}, False, AccountUpdate.QUALITY_LOW),
        (CAPABILITY, {MOST: 250}, True, AccountUpdate.LIMIT_LOWERED),
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
