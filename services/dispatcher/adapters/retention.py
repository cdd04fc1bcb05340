"""Retention rules, by the database's clock; docs/datenschutz.md describes the same."""

from collections.abc import Mapping
from datetime import timedelta

from shared.contracts.retention import WITHDRAWAL_RETENTION_MARGIN_DAYS
from shared.database.retention import RetentionRule, build_row_rule

# After a reply is sent, only statuses and reactions refer to it, and they do not need its address. One whose outcome is
# open may be sent until it expires.
REPLY_ADDRESS_RETENTION = timedelta(days=1)
REACHED_RETENTION = timedelta(hours=25)  # Meta's limit covers 24 hours
SHORT_RETENTION = timedelta(days=1)

_REPLY_ENDED_AT = "case when state in ('waiting', 'claimed', 'unknown') then expires_at else claimed_at end"
_ERASE_REPLY_ADDRESSES = f"""
    with old as (
        select id from dispatcher.delivery
        where subscriber is null and address_index <> '' and {_REPLY_ENDED_AT} < now() - $1::interval
        limit $2 for update skip locked),
    gone as (
        update dispatcher.delivery set address_index = '', address_sealed = '', content = null
        where id in (select id from old) returning true)
    select count(*) from gone
"""  # noqa: S608 - from above
_OLDEST_REPLY_ADDRESS = f"""
    select min(least({_REPLY_ENDED_AT}, now())) from dispatcher.delivery
    where subscriber is null and address_index <> ''
"""  # noqa: S608 - from above
# A week is as old as its first day.
_OLDEST_WEEK = """
    select min(to_date(right(c.relname, 8), 'YYYYMMDD')) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'dispatcher.delivery'::regclass and c.relname ~ '^delivery_[0-9]{8}$'
"""
_DROP_OLD_WEEKS = "select dispatcher.drop_old_partitions(extract(day from $1::interval)::integer) where $2::integer > 0"


def build_retention_rules(retention_days: int) -> Mapping[str, RetentionRule]:
    """Return the rules of all data with a limited retention; deliveries are dropped by week, stray ones by row."""
    retention = timedelta(days=retention_days)
    withdrawal_retention = retention + timedelta(days=WITHDRAWAL_RETENTION_MARGIN_DAYS)
    return {
        "waiting_delivery": RetentionRule(retention, "select dispatcher.end_old_waiting($1, $2::integer)"),
        "deliveries_week": RetentionRule(retention, _DROP_OLD_WEEKS, _OLDEST_WEEK),
        "stray_delivery": RetentionRule(retention, "select dispatcher.delete_old_strays($1, $2::integer)"),
        "reply_address": RetentionRule(REPLY_ADDRESS_RETENTION, _ERASE_REPLY_ADDRESSES, _OLDEST_REPLY_ADDRESS),
        "reached": build_row_rule(REACHED_RETENTION, "dispatcher.reached", "subscriber", "minute"),
        "reached_minute": build_row_rule(REACHED_RETENTION, "dispatcher.reached_minute", "minute", "minute"),
        "status_stream": build_row_rule(SHORT_RETENTION, "dispatcher.status_stream", "number, seen_at", "seen_at"),
        "unreachable": build_row_rule(SHORT_RETENTION, "dispatcher.unreachable", "replica", "said_at"),
        "refusal": build_row_rule(retention, "dispatcher.refusal", "delivery", "told_at"),
        "suppression": build_row_rule(
            withdrawal_retention, "dispatcher.suppression", "subscriber, topic", "suppressed_at"
        ),
    }
