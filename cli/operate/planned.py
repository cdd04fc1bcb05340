"""Broadcasts without a row in the ledger: scheduled ones, and those whose first page of recipients has not arrived."""

from uuid import UUID

import asyncpg

from cli.operate.ledger import BroadcastView, RecipientCounts

_PLANNED = """
select b.id, b.notice, b.revision, b.topic, b.lane, b.template->>'name' as template, b.state, b.reason, b.published_at,
    b.expires_at, b.opens, b.closes, b.zone,
    (select p->>'text' from jsonb_array_elements(b.template->'parameters') p where p->>'name' = 'headline') as headline
from subscriptions.broadcast b
where not exists (select from dispatcher.broadcast l where l.id = b.id)
"""
_NEXT = _PLANNED + "and b.state in ('scheduled', 'expanding') order by b.published_at desc, b.id limit $1"
_ONE = _PLANNED + "and b.id = $1 and b.state <> 'expanded'"
_OF_NOTICE = _PLANNED + "and b.notice = $1 and b.state <> 'expanded' order by b.revision"
_COPIED_COLUMNS = (
    "notice",
    "revision",
    "topic",
    "lane",
    "template",
    "headline",
    "reason",
    "published_at",
    "expires_at",
)
_HOURS = ("opens", "closes", "zone")
_NO_RECIPIENTS = RecipientCounts(
    audience=0,
    complete=False,
    accepted=0,
    failed=0,
    expired=0,
    cancelled=0,
    suppressed=0,
    unknown=0,
    waiting=0,
    unaccounted=0,
)


async def fetch_planned(database: asyncpg.Connection, number: int) -> list[BroadcastView]:
    """Return broadcasts that have not begun, the last to begin first."""
    return [_build_view(row) for row in await database.fetch(_NEXT, number)]


async def fetch_planned_one(database: asyncpg.Connection, broadcast: UUID) -> BroadcastView | None:
    """Return a broadcast that has not begun, or was withdrawn before it began."""
    row = await database.fetchrow(_ONE, broadcast)
    return _build_view(row) if row else None


async def fetch_planned_by_notice(database: asyncpg.Connection, notice: str) -> list[BroadcastView]:
    """Return the revisions of a notice that have not begun, or were withdrawn before they began."""
    return [_build_view(row) for row in await database.fetch(_OF_NOTICE, notice)]


def _build_view(row: asyncpg.Record) -> BroadcastView:
    return BroadcastView(
        **{name: row[name] for name in (*_COPIED_COLUMNS, *_HOURS)},
        broadcast=row["id"],
        standing=row["state"],
        books=_NO_RECIPIENTS,
        steps={},
        finished_at=None,
        spacing_seconds=None,
    )
