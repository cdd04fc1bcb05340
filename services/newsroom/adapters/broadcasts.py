"""Broadcasts and archive entries in PostgreSQL, as recorded from our events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.domain.archive import ArchiveEntry
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import SourceUse
from shared.contracts.events import FailureCount
from shared.database.pool import Database

# For a broadcast `b`: a scheduled newer revision replaces a completed one when it starts, an unfinished one at once.
IS_REPLACED = """
    exists (select from newsroom.broadcast n
        where n.source = b.source and n.notice = b.notice and n.revision > b.revision
            and (n.started_at is not null
                or (b.cancelled_at is not null and (b.finished_at is null or b.states ? 'cancelled')))) as is_replaced
"""
# For a broadcast `b` whose notice was withdrawn at `w.at`: who withdrew it here, and why.
_WITHDRAWAL = """
    select a.name, v.content ->> 'reason' as reason
    from newsroom.draft d join newsroom.publication p on p.draft = d.id
        join newsroom.draft_version v on v.draft = p.draft and v.version = p.version
        join newsroom.account a on a.id = v.author
    where w.at is not null and d.corrects = b.notice and d.kind = 'withdrawal' and p.body ->> 'source' = b.source
        and p.confirmed_at is not null
    order by p.confirmed_at limit 1
"""
_STATUS = f"""
    select b.id, b.notice, b.revision, b.topic, b.headline, b.lane, b.audience, b.states, b.failures, b.person_limited,
        b.accepted_at, b.scheduled_at, b.started_at, b.finished_at, b.cancelled_at, w.at as withdrawn_at,
        ours.name as withdrawn_by, ours.reason as withdrawal_reason, coalesce(s.cause, p.cause) as stop_cause,
        coalesce(s.reason, p.reason) as stop_reason, {IS_REPLACED}
    from newsroom.broadcast b left join dispatcher.list_stops() s on s.broadcast = b.id
        left join newsroom.withdrawn_notice w on w.source = b.source and w.notice = b.notice
        left join lateral ({_WITHDRAWAL}) ours on true
        left join lateral (  -- started, but not in the ledger yet
            select 'sending' as cause, min(paused_reason) as reason from dispatcher.read_limits()
            having bool_and(paused_reason is not null)
        ) p on b.started_at is not null and b.states = '{{}}' and b.finished_at is null and b.cancelled_at is null
"""  # noqa: S608 - constant parts
_REVISIONS = f"{_STATUS} where b.source = $1 and b.notice = $2 order by b.revision desc nulls last, b.id limit 50"
_RELATED = f"""
    {_STATUS} where b.id <> $1 and b.source = (select source from newsroom.broadcast where id = $1)
        and b.notice = any(array(
            select o.notice from newsroom.broadcast o where o.id = $1
            union select d.notice from newsroom.broadcast o join newsroom.draft d on d.corrects = o.notice
            where o.id = $1 and d.kind = 'follow_up'
            union select d.corrects from newsroom.broadcast o join newsroom.draft d on d.notice = o.notice
            where o.id = $1 and d.kind = 'follow_up'))
    order by b.accepted_at, b.id limit 50
"""  # noqa: S608 - constant parts
_FOLLOWED = """
    select d.corrects from newsroom.broadcast b join newsroom.draft d on d.notice = b.notice
    where b.id = $1 and d.kind = 'follow_up'
"""
_NEWEST = f"""
    {_STATUS} where b.accepted_at < coalesce($2::timestamptz, 'infinity')
    order by b.accepted_at desc nulls last, b.id limit $1
"""
_BEGUN = f"{_STATUS} where b.started_at is not null order by b.started_at desc, b.id limit $1"
_UNFINISHED = f"""
    {_STATUS} where b.finished_at is null and b.cancelled_at is null and s.cause is distinct from 'cancelled'
    order by b.scheduled_at nulls first, b.accepted_at desc nulls last, b.id limit $1
"""
_USES = """
    select source, max(accepted_at) as last_at,
        count(*) filter (where accepted_at > now() - interval '30 days') as month
    from newsroom.broadcast where source is not null and accepted_at is not null group by source
"""
_decode_states = msgspec.json.Decoder(dict[str, int]).decode
_decode_failures = msgspec.json.Decoder(tuple[FailureCount, ...]).decode


class BroadcastStatuses:
    """Statuses of the broadcasts of all systems, according to our events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_all(self, broadcasts: Collection[UUID]) -> Mapping[UUID, BroadcastStatus]:
        """Return the known ones of these broadcasts, by id."""
        return {status.id: status for status in await self._fetch(f"{_STATUS} where b.id = any($1)", [*broadcasts])}

    async def list_revisions(self, source: str, notice: str) -> Sequence[BroadcastStatus]:
        """Return the broadcasts of the notice, newest revision first."""
        return await self._fetch(_REVISIONS, source, notice)

    async def list_related(self, broadcast: UUID) -> Sequence[BroadcastStatus]:
        """Return the broadcasts of the same notice, its follow-ups, and the one it follows, in order of acceptance."""
        return await self._fetch(_RELATED, broadcast)

    async def find_followed(self, broadcast: UUID) -> str | None:
        """Return the id of the notice that the broadcast's follows; None if it follows none."""
        followed: str | None = await self._database.fetchval(_FOLLOWED, broadcast)
        return followed

    async def list_newest(self, limit: int, before: datetime | None = None) -> Sequence[BroadcastStatus]:
        return await self._fetch(_NEWEST, limit, before)

    async def list_begun(self, limit: int) -> Sequence[BroadcastStatus]:
        """Return the broadcasts that have begun, last begun first."""
        return await self._fetch(_BEGUN, limit)

    async def list_unfinished(self, limit: int) -> Sequence[BroadcastStatus]:
        """Return broadcasts in progress, then scheduled ones, next first."""
        return await self._fetch(_UNFINISHED, limit)

    async def list_sources(self) -> Sequence[SourceUse]:
        """Return when each source last published, and how many notices in the last 30 days."""
        return [SourceUse(**row) for row in await self._database.fetch(_USES)]

    async def _fetch(self, statement: str, *arguments: object) -> Sequence[BroadcastStatus]:
        return [_read_status(row) for row in await self._database.fetch(statement, *arguments)]


def _read_status(row: asyncpg.Record) -> BroadcastStatus:
    decoded = {"states": _decode_states(row["states"]), "failures": _decode_failures(row["failures"])}
    return BroadcastStatus(**{**row, **decoded})


class ArchiveEntryReader:
    """Reader of the public archive's entries since a given time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def compute_digest(self, since: datetime) -> int:
        """Return a digest that changes with the entries."""
        digest = await self._database.fetchval(
            "select coalesce(sum(hashtextextended(entry::text, 0)), 0)::numeric % 9223372036854775807"
            " from newsroom.archive_entry entry where published_at >= $1",
            since,
        )
        return int(digest)

    async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]:
        rows = await self._database.fetch(
            "select code, notice, revision, topic, municipalities, headline, text, link, picture, urgent, published_at,"
            " expires_at, replaced_by, withdrawn_at from newsroom.archive_entry where published_at >= $1",
            since,
        )
        return [ArchiveEntry(**{**row, "municipalities": tuple(row["municipalities"])}) for row in rows]
