"""Outbox of the notices API in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.adapters.audit import encode_json, record_act
from services.newsroom.domain.audit import Act
from services.newsroom.domain.outbox import NoticePublication, PendingNotice, PublicationState
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeWithdrawn
from shared.database.pool import Connection, Database

_COLUMNS = "id, draft, version, revision, body as event, state, tries, problems, broadcast, created_at, confirmed_at"
# For a publication `p`: whether its notice has been withdrawn, and whether that holds it. Once the API has stored the
# withdrawal, its confirmation takes moments; if that is lost, the notice leaves later, and is rejected as withdrawn.
_IS_WITHDRAWN = f"""
    exists (select from newsroom.publication w
        where w.state <> 'rejected'
            and w.body ->> 'subject' = p.body ->> 'subject' and w.body ->> 'type' = '{NoticeWithdrawn.TYPE}')
"""
_IS_HELD = f"""
    exists (select from newsroom.publication w
        where (w.state = 'waiting' or w.state = 'accepted' and w.answered_at > now() - interval '10 minutes')
            and w.broadcast is null and w.confirmed_at is null
            and w.body ->> 'subject' = p.body ->> 'subject' and w.body ->> 'type' = '{NoticeWithdrawn.TYPE}')
"""
# Publications of a notice are sent in order, even while the earlier one waits for a retry. Only a withdrawal overtakes
# them, or people would get what nobody had; they leave once it is confirmed, and are rejected.
_DUE = f"""
    select {_COLUMNS} from newsroom.publication p
    where state = 'waiting' and next_at <= $1 and (
        body ->> 'type' = '{NoticeWithdrawn.TYPE}' or not {_IS_HELD} and not exists (
            select from newsroom.publication e
            where e.state = 'waiting' and e.body ->> 'subject' = p.body ->> 'subject'
                and (e.created_at, e.id) < (p.created_at, p.id)))
    order by body ->> 'type' <> '{NoticeWithdrawn.TYPE}', created_at, id limit $2
"""  # noqa: S608 - constant parts
# Nobody is to get what somebody has withdrawn, even if the withdrawal itself is rejected.
_HELD_BY = f"""
    select p.id from newsroom.publication w join newsroom.publication p on p.body ->> 'subject' = w.body ->> 'subject'
    where w.id = $1 and w.body ->> 'type' = '{NoticeWithdrawn.TYPE}' and p.state = 'waiting' order by p.id
"""  # noqa: S608 - constant parts
# Not those that wait for a withdrawal of their own.
COUNT_WAITING = f"""
    select count(*) as waiting, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds
    from newsroom.publication p
    where state = 'waiting' and (body ->> 'type' = '{NoticeWithdrawn.TYPE}' or not {_IS_HELD})
"""  # noqa: S608 - constant parts
_NEWEST = f"""
    select distinct on (draft) {_COLUMNS}, {_IS_WITHDRAWN} as is_withdrawn
    from newsroom.publication p where draft = any($1)
    order by draft, state = 'rejected' and exists (
        select from newsroom.publication o
        where o.draft = p.draft and o.revision = p.revision and o.state <> 'rejected'), created_at desc, id
"""  # noqa: S608 - constant parts
_UNDER_WAY = f"""
    select p.draft, p.revision, v.content ->> 'headline' as headline, v.content ->> 'topic' as topic, p.created_at,
        p.tries, d.kind = 'withdrawal' as is_withdrawal
    from newsroom.publication p join newsroom.draft d on d.id = p.draft
        join newsroom.draft_version v on v.draft = p.draft and v.version = p.version
    where p.state <> 'rejected' and p.broadcast is null and p.confirmed_at is null
        and (d.kind = 'withdrawal' or not {_IS_WITHDRAWN})
    order by p.created_at desc limit $1
"""  # noqa: S608 - constant parts
_PUBLISHED = f"select {_COLUMNS} from newsroom.publication where broadcast = $1"  # noqa: S608 - constant parts
_ACCEPT = """
    update newsroom.publication
    set answered_at = coalesce(answered_at, $2), state = case state when 'waiting' then 'accepted' else state end
    where id = $1
"""
_FAIL = "update newsroom.publication set tries = tries + 1, next_at = $2 where id = $1 and state = 'waiting'"
_REJECT = """
    update newsroom.publication set state = 'rejected', problems = $2, answered_at = $3
    where id = $1 and state = any($4) and confirmed_at is null
    returning draft
"""
# Two processes record what becomes of a draft one after the other: the second sees what the first has written.
_LOCK_DRAFT = """
    select from newsroom.draft where id = (select draft from newsroom.publication where id = $1) for update
"""
# Only a draft that is still published is returned: it may have been edited meanwhile, or an earlier publication of the
# same revision has taken effect although its repetition was refused.
_RETURN = """
    update newsroom.draft set state = 'returned', changed_at = $2 where id = $1 and state = 'published' and not exists (
        select from newsroom.publication p join newsroom.publication o using (draft, revision)
        where p.id = $3 and o.confirmed_at is not null)
    returning notice
"""
_decode_event = msgspec.json.Decoder(dict[str, Any]).decode
_decode_problems = msgspec.json.Decoder(tuple[Problem, ...]).decode


class PublicationRepository:
    """Publications, from their handover to their broadcasts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_due(self, now: datetime, limit: int) -> Sequence[NoticePublication]:
        """Return the due publications, withdrawals first, then the oldest; of each notice only the first."""
        return [_read_publication(row) for row in await self._database.fetch(_DUE, now, limit)]

    async def find_newest(self, draft: UUID) -> NoticePublication | None:
        return (await self.find_all_newest([draft])).get(draft)

    async def find_all_newest(self, drafts: Collection[UUID]) -> Mapping[UUID, NoticePublication]:
        """Return the newest publication of each draft that has one, by draft.

        A rejected one counts only if no other one of its revision was accepted.
        """
        return {row["draft"]: _read_publication(row) for row in await self._database.fetch(_NEWEST, [*drafts])}

    async def list_under_way(self, limit: int) -> Sequence[PendingNotice]:
        """Return what was handed over here and has not taken effect, newest first.

        Of a notice that is being withdrawn it is only the withdrawal.
        """
        return [PendingNotice(**row) for row in await self._database.fetch(_UNDER_WAY, limit)]

    async def find_published(self, broadcast: UUID) -> NoticePublication | None:
        """Return the publication of the broadcast; None if another system published it."""
        rows = await self._database.fetch(_PUBLISHED, broadcast)
        return _read_publication(rows[0]) if rows else None

    async def record_answer(self, publication: UUID, problems: Sequence[Problem], now: datetime) -> None:
        """Record the acceptance or, with problems, the rejection, which returns the draft to its editors.

        A rejection after the acceptance is of a repetition, such as by another process: only an event can reject then.
        """
        async with self._database.transaction() as connection:
            if problems:
                await reject_publication(connection, publication, problems, now, PublicationState.WAITING)
            else:
                await connection.execute(_ACCEPT, publication, now)

    async def record_failure(self, publication: UUID, next_at: datetime) -> None:
        """Record an attempt without a conclusive answer."""
        async with self._database.connection() as connection:
            await connection.execute(_FAIL, publication, next_at)


def _read_publication(row: asyncpg.Record) -> NoticePublication:
    decoded = {
        "event": _decode_event(row["event"]),
        "state": PublicationState(row["state"]),
        "problems": _decode_problems(row["problems"] or "[]"),
    }
    return NoticePublication(**{**row, **decoded})


async def lock_draft(connection: Connection, publication: UUID) -> None:
    await connection.execute(_LOCK_DRAFT, publication)


async def reject_publication(
    connection: Connection, publication: UUID, problems: Sequence[Problem], now: datetime, *states: PublicationState
) -> None:
    """Record the rejection of a publication in one of these states, and return the draft to its editors.

    One that has taken effect is not rejected.
    """
    await lock_draft(connection, publication)
    draft = await connection.fetchval(_REJECT, publication, encode_json(problems), now, states)
    notice = await connection.fetchval(_RETURN, draft, now, publication) if draft else None
    if notice is not None:
        detail = {"draft": str(draft)}
        await record_act(connection, Act(account=None, action="notice.rejected", object=notice, detail=detail))
    for row in await connection.fetch(_HELD_BY, publication) if draft else ():
        await reject_publication(connection, row["id"], problems, now, PublicationState.WAITING)
