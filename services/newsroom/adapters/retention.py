"""Retention of data about logins, events and feedback."""

from collections.abc import Mapping
from datetime import timedelta

from shared.database.retention import RetentionRule, build_row_rule

SESSION_DAYS = 30
DEVICE_DAYS = 180
LOGIN_FAILURE_DAYS = 1
INBOX_DAYS = 15  # longer than the broker keeps an event


def build_retention_rules(feedback_days: int) -> Mapping[str, RetentionRule]:
    return {
        "newsroom_feedback": build_row_rule(timedelta(days=feedback_days), "newsroom.feedback", "id", "at"),
        "session": build_row_rule(timedelta(days=SESSION_DAYS), "newsroom.session", "token_hash", "created_at"),
        "device": build_row_rule(timedelta(days=DEVICE_DAYS), "newsroom.device", "token_hash", "used_at"),
        "login_failure": build_row_rule(
            timedelta(days=LOGIN_FAILURE_DAYS), "newsroom.login_failure", "scope, key", "failed_at"
        ),
        "newsroom_inbox": build_row_rule(timedelta(days=INBOX_DAYS), "newsroom.inbox", "event", "handled_at"),
    }
