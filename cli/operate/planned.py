"""Broadcasts that the ledger does not know: scheduled ones, and those of which no page of recipients has come yet."""

from uuid import UUID

import asyncpg

from cli.operate.ledger import Books, Shown

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
_AS_THEY_ARE = ("notice", "revision", "topic", "lane", "template", "headline", "reason", "published_at", "expires_at")
_HOURS = ("opens", "closes", "zone")
_NOBODY = Books(
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


async def planned(database: asyncpg.Connection, number: int) -> list[Shown]:
    """What is still to begin, the last first."""
    return [_shown(row) for row in await database.fetch(_NEXT, number)]


async def planned_one(database: asyncpg.Connection, broadcast: UUID) -> Shown | None:
    """One that has not begun, or was withdrawn before it could."""
    row = await database.fetchrow(_ONE, broadcast)
    return _shown(row) if row else None


async def planned_of_notice(database: asyncpg.Connection, notice: str) -> list[Shown]:
    """The revisions of a notice that have not begun, or were withdrawn before they could."""
    return [_shown(row) for row in await database.fetch(_OF_NOTICE, notice)]


def _shown(row: asyncpg.Record) -> Shown:
    return Shown(
        **{name: row[name] for name in (*_AS_THEY_ARE, *_HOURS)},
        broadcast=row["id"],
        standing=row["state"],
        books=_NOBODY,
        steps={},
        finished_at=None,
        spacing_seconds=None,
    )
