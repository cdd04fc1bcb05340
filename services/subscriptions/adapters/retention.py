"""Retention rules of this service, by the database's clock; docs/datenschutz.md states the same."""

from collections.abc import Mapping
from datetime import timedelta

from services.subscriptions.domain.county import County
from services.subscriptions.domain.privacy import (
    CONVERSATION_RETENTION_DAYS,
    INBOX_RETENTION_DAYS,
    PERSONAL_ANSWER_RETENTION_DAYS,
)
from shared.database.retention import RetentionRule, build_row_rule

INBOX_RETENTION = timedelta(days=INBOX_RETENTION_DAYS)
# Promised to integrators: within this time the same event gets the same answer.
NOTICE_EVENT_RETENTION = timedelta(days=90)
CONVERSATION_RETENTION = timedelta(days=CONVERSATION_RETENTION_DAYS)
TRIAL_RETENTION = timedelta(days=1)
PERSONAL_ANSWER_RETENTION = timedelta(days=PERSONAL_ANSWER_RETENTION_DAYS)


def build_retention_rules(county: County) -> Mapping[str, RetentionRule]:
    """Return the rules for every kind of data that is not kept for ever."""
    proof = timedelta(days=county.proof_days)
    return {
        "inbox": build_row_rule(INBOX_RETENTION, "subscriptions.inbox", "message_key", "handled_at"),
        "personal_answer": RetentionRule(PERSONAL_ANSWER_RETENTION, _CLEAR_ANSWERS, _OLDEST_ANSWER),
        "conversation": build_row_rule(
            CONVERSATION_RETENTION, "subscriptions.conversation", "address_index", "counted_at"
        ),
        "notice_event": build_row_rule(
            NOTICE_EVENT_RETENTION, "subscriptions.notice_event", "source, event", "handled_at"
        ),
        "feedback": build_row_rule(timedelta(days=county.feedback_days), "subscriptions.feedback", "id", "at"),
        "dead_letter": build_row_rule(
            timedelta(days=county.dead_letter_days), "subscriptions.dead_letter", "id", "failed_at"
        ),
        "trial": build_row_rule(TRIAL_RETENTION, "subscriptions.trial", "draft", "ends_at"),
        "erasure": build_row_rule(proof, "subscriptions.erasure", "address_index", "erased_on"),
        "former_subscriber": RetentionRule(proof, _FORMER, _OLDEST_FORMER),
        "consent": RetentionRule(proof, "select subscriptions.forget_proofs($1, $2::integer)"),
    }


# The answer to "Daten" repeats a person's words, the one to "Löschen" names the address that it goes to; once Meta has
# them, they are not needed any more.
_CLEAR_ANSWERS = r"""
    with old as (
        select message_key from subscriptions.inbox
        where result in ('erased', 'shown') and handled_at < now() - $1::interval and publications <> '\x90' limit $2),
    gone as (
        update subscriptions.inbox set publications = '\x90' where message_key in (select message_key from old)
        returning true)
    select count(*) from gone
"""
_OLDEST_ANSWER = r"""
    select min(handled_at) from subscriptions.inbox where result in ('erased', 'shown') and publications <> '\x90'
"""
_FORMER = """
    with old as (
        select id from subscriptions.subscriber
        where state <> 'subscribed' and greatest(ended_at, started_at, created_at) < now() - $1::interval limit $2),
    gone as (
        delete from subscriptions.subscriber where id in (select id from old) returning true)
    select count(*) from gone
"""
_OLDEST_FORMER = """
    select min(greatest(ended_at, started_at, created_at)) from subscriptions.subscriber where state <> 'subscribed'
"""
