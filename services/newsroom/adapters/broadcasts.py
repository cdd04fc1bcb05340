"""Broadcasts, the archive's entries, feedback and counts of subscriptions in PostgreSQL, as our events tell them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.adapters.draft_rows import IS_REPLACED, WITHDRAWAL, encode_json
from services.newsroom.adapters.publications import reject_publication
from services.newsroom.domain.archive import ArchiveEntry, derive_code
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import SourceUse
from services.newsroom.domain.service_level import has_reached_most
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FailureCount,
    FeedbackReceived,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
)
from shared.database.pool import Connection, Database

_ACCEPTED = """
    insert into newsroom.broadcast (id, source, notice, revision, topic, headline, audience, accepted_at, scheduled_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (id) do update set source = excluded.source, notice = excluded.notice, revision = excluded.revision,
        topic = excluded.topic, headline = excluded.headline, accepted_at = excluded.accepted_at,
        scheduled_at = excluded.scheduled_at,
        audience = case when broadcast.progressed_at is null then excluded.audience else broadcast.audience end
"""
_STARTED = """
    insert into newsroom.broadcast (id, source, notice, revision, topic, lane, started_at)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (id) do update set source = excluded.source, notice = excluded.notice, revision = excluded.revision,
        topic = excluded.topic, lane = excluded.lane, started_at = excluded.started_at
"""
# An older report changes nothing. Once finished it stays so, while states may still be raised.
_PROGRESSED = """
    insert into newsroom.broadcast (id, audience, states, person_limited, progressed_at, finished_at, failures)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (id) do update set
        (audience, states, person_limited, progressed_at, failures) = (
            coalesce(excluded.audience, broadcast.audience), excluded.states, excluded.person_limited,
            excluded.progressed_at, excluded.failures),
        finished_at = coalesce(broadcast.finished_at, excluded.finished_at)
    where broadcast.progressed_at is null or broadcast.progressed_at <= excluded.progressed_at
"""
# Whichever report comes first, the earliest one counts.
_REACHED = "update newsroom.broadcast set reached_at = least(reached_at, $2) where id = $1"
_FINISHED = "update newsroom.broadcast set finished_at = $2 where id = $1 and finished_at is null"
_CANCELLED = """
    insert into newsroom.broadcast (id, source, notice, cancelled_at) values ($1, $2, $3, $4)
    on conflict (id) do update set source = excluded.source, notice = excluded.notice,
        cancelled_at = coalesce(broadcast.cancelled_at, excluded.cancelled_at)
"""
_PUBLICATION = "select id from newsroom.publication where id = $1 and body ->> 'source' = $2"
_ACCEPT_PUBLICATION = """
    update newsroom.publication
    set state = 'accepted', problems = default, answered_at = coalesce(answered_at, $2),
        confirmed_at = coalesce(confirmed_at, $2), broadcast = coalesce(broadcast, $3)
    where id = $1
"""
# An answer over HTTP that was lost, and a refusal of the repetition, say less than the event.
_PUBLISH_DRAFT = """
    update newsroom.draft d set state = 'published', changed_at = $2
    from newsroom.publication p
    where p.id = $1 and d.id = p.draft and d.version = p.version and d.state = 'returned'
"""
_STARTED_REVISION = """
    select p.id from newsroom.publication p join newsroom.draft d on d.id = p.draft
    where p.body ->> 'source' = $1 and p.revision = $3 and p.state <> 'rejected' and d.kind <> 'withdrawal'
        and (d.notice = $2 or (d.corrects = $2 and d.kind = 'update'))
    order by p.created_at desc limit 1
"""
_ARCHIVE = """
    insert into newsroom.archive_entry (code, publication, notice, revision, topic, municipalities, headline, text,
        link, picture, urgent, published_at, expires_at)
    select $1, p.id, $3, $4, v.content ->> 'topic',
        array(select jsonb_array_elements_text(coalesce(v.content -> 'municipalities', '[]'))),
        v.content ->> 'headline', v.content ->> 'text', v.content ->> 'link', v.content ->> 'picture',
        coalesce((v.content ->> 'urgent')::boolean, false), $5, (p.body ->> 'expirytime')::timestamptz
    from newsroom.publication p join newsroom.draft_version v on v.draft = p.draft and v.version = p.version
    where p.id = $2
    on conflict do nothing
"""
_REPLACE = """
    update newsroom.archive_entry e set replaced_by = (
        select min(b.revision) from newsroom.broadcast b
        where b.source = $1 and b.notice = $2 and b.revision > e.revision and b.started_at is not null)
    where e.notice = $2
"""
_WITHDRAWN = "insert into newsroom.withdrawn_notice (source, notice, at) values ($1, $2, $3) on conflict do nothing"
# Run after either event, as the withdrawal may be known before the start.
_WITHDRAW = """
    update newsroom.archive_entry e set withdrawn_at = w.at
    from newsroom.withdrawn_notice w
    where w.source = $1 and w.notice = $2 and e.notice = w.notice and e.withdrawn_at is null
"""
_COUNT = """
    insert into newsroom.subscription_hour (hour, topic, started, ended) values ($1, $2, $3, $4)
    on conflict (hour, topic) do update set started = subscription_hour.started + excluded.started,
        ended = subscription_hour.ended + excluded.ended
"""
_SEEN = "insert into newsroom.inbox (event) values ($1) on conflict do nothing returning event"
_FEEDBACK = """
    insert into newsroom.feedback (id, kind, value, text, topic, broadcast, at)
    select $1::uuid, $2::text, nullif($3::text, ''), nullif($4::text, ''), $5::text, $6::uuid, $7::timestamptz
    where not exists (select from newsroom.inbox where event = 'erased ' || $1::uuid)
    on conflict (id) do update set value = excluded.value, text = excluded.text, at = excluded.at
"""
# In another process its erasure may be under way: whoever comes second sees what the first has written.
_LOCK_FEEDBACK = "select pg_advisory_xact_lock(hashtextextended('feedback ' || $1::uuid::text, 0))"
# An entry whose event comes after its erasure stays erased.
_MARK_ERASED = """
    insert into newsroom.inbox (event) select 'erased ' || entry from unnest($1::uuid[]) entry on conflict do nothing
"""
_STATUS = f"""
    select b.id, b.notice, b.revision, b.topic, b.headline, b.lane, b.audience, b.states, b.failures, b.person_limited,
        b.accepted_at, b.scheduled_at, b.started_at, b.finished_at, b.cancelled_at, w.at as withdrawn_at,
        ours.name as withdrawn_by, ours.reason as withdrawal_reason, coalesce(s.cause, p.cause) as stop_cause,
        coalesce(s.reason, p.reason) as stop_reason, {IS_REPLACED}
    from newsroom.broadcast b left join dispatcher.list_stops() s on s.broadcast = b.id
        left join newsroom.withdrawn_notice w on w.source = b.source and w.notice = b.notice
        left join lateral ({WITHDRAWAL}) ours on true
        left join lateral (  -- what has begun, but waits before the ledger knows of it
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
_NEWEST = f"""
    {_STATUS} where b.accepted_at < coalesce($2::timestamptz, 'infinity')
    order by b.accepted_at desc, b.id limit $1
"""
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


class PostgresEventRecords:
    """Implementation of ports.EventRecords. `source` is that of the notices published here."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source

    async def record_accepted(self, message: NoticeAccepted, at: datetime) -> None:
        async with self._database.transaction() as connection:
            if message.broadcast:
                await connection.execute(
                    _ACCEPTED,
                    message.broadcast,
                    message.source,
                    message.notice,
                    message.revision,
                    message.topic,
                    message.headline,
                    message.audience,
                    at,
                    message.scheduled_at,
                )
            if publication := await _find_publication(connection, message):
                await connection.execute(_ACCEPT_PUBLICATION, publication, at, message.broadcast)
                await connection.execute(_PUBLISH_DRAFT, publication, at)
            if message.action is NoticeAction.WITHDRAWN:
                await connection.execute(_WITHDRAWN, message.source, message.notice, at)
                # A system that manages our source may have withdrawn ours, too.
                if message.source == self._source:
                    await connection.execute(_WITHDRAW, message.source, message.notice)

    async def record_rejected(self, message: NoticeRejected, at: datetime) -> None:
        async with self._database.transaction() as connection:
            if publication := await _find_publication(connection, message):
                await reject_publication(connection, publication, message.problems, at)

    async def record_started(self, message: BroadcastStarted, at: datetime) -> None:
        """Record the start; from then on a notice of ours is in the public archive."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _STARTED,
                message.broadcast,
                message.source,
                message.notice,
                message.revision,
                message.topic,
                message.lane,
                at,
            )
            if message.source == self._source:
                await _archive(connection, message, at)

    async def record_progress(self, message: BroadcastProgressed | BroadcastFinished, at: datetime) -> None:
        finished = at if isinstance(message, BroadcastFinished) else None
        limited = message.person_limited if isinstance(message, BroadcastProgressed) else 0
        async with self._database.transaction() as connection:
            await connection.execute(
                _PROGRESSED,
                message.broadcast,
                message.audience,
                encode_json(message.states),
                limited,
                at,
                finished,
                encode_json(message.failures),
            )
            if finished:
                await connection.execute(_FINISHED, message.broadcast, finished)
            if has_reached_most(message.audience, message.states):
                await connection.execute(_REACHED, message.broadcast, at)

    async def record_cancelled(self, message: BroadcastCancelled, at: datetime) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_CANCELLED, message.broadcast, message.source, message.notice, at)

    async def count_subscriptions(
        self, event_id: str, hour: datetime, started: Sequence[str], ended: Sequence[str]
    ) -> None:
        async with self._database.transaction() as connection:
            if await connection.fetchval(_SEEN, event_id) is None:
                return
            for topic in sorted(
                {*started, *ended}
            ):  # in one order, so that two transactions do not wait for each other
                await connection.execute(_COUNT, hour, topic, int(topic in started), int(topic in ended))

    async def record_feedback(self, message: FeedbackReceived) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_FEEDBACK, message.feedback)
            if not (message.value or message.text):
                await connection.execute("delete from newsroom.feedback where id = $1", message.feedback)
                return
            await connection.execute(
                _FEEDBACK,
                message.feedback,
                message.kind,
                message.value,
                message.text,
                message.topic,
                message.broadcast,
                message.at,
            )

    async def delete_feedback(self, entries: Collection[UUID]) -> None:
        async with self._database.transaction() as connection:
            for entry in sorted(entries):  # in one order, so that two transactions do not wait for each other
                await connection.execute(_LOCK_FEEDBACK, entry)
            await connection.execute(_MARK_ERASED, list(entries))
            await connection.execute("delete from newsroom.feedback where id = any($1)", list(entries))


async def _find_publication(connection: Connection, message: NoticeAccepted | NoticeRejected) -> UUID | None:
    try:
        identifier = UUID(message.event)
    except ValueError:
        return None  # the event of another system
    found: UUID | None = await connection.fetchval(_PUBLICATION, identifier, message.source)
    return found


async def _archive(connection: Connection, message: BroadcastStarted, at: datetime) -> None:
    source, notice, revision = message.source, message.notice, message.revision
    publication = await connection.fetchval(_STARTED_REVISION, source, notice, revision)
    if publication is not None:
        await connection.execute(_ARCHIVE, derive_code(publication), publication, notice, revision, at)
    await connection.execute(_REPLACE, source, notice)  # a revision of another system is no entry, but replaces ours
    await connection.execute(_WITHDRAW, source, notice)


class PostgresBroadcastStatuses:
    """Implementation of ports.BroadcastStatuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_all(self, broadcasts: Collection[UUID]) -> Sequence[BroadcastStatus]:
        return [
            _read_status(row) for row in await self._database.fetch(f"{_STATUS} where b.id = any($1)", [*broadcasts])
        ]

    async def list_revisions(self, source: str, notice: str) -> Sequence[BroadcastStatus]:
        return [_read_status(row) for row in await self._database.fetch(_REVISIONS, source, notice)]

    async def list_related(self, broadcast: UUID) -> Sequence[BroadcastStatus]:
        return [_read_status(row) for row in await self._database.fetch(_RELATED, broadcast)]

    async def list_newest(self, limit: int, before: datetime | None = None) -> Sequence[BroadcastStatus]:
        return [_read_status(row) for row in await self._database.fetch(_NEWEST, limit, before)]

    async def list_unfinished(self, limit: int) -> Sequence[BroadcastStatus]:
        return [_read_status(row) for row in await self._database.fetch(_UNFINISHED, limit)]

    async def list_sources(self) -> Sequence[SourceUse]:
        return [SourceUse(**row) for row in await self._database.fetch(_USES)]


def _read_status(row: asyncpg.Record) -> BroadcastStatus:
    decoded = {"states": _decode_states(row["states"]), "failures": _decode_failures(row["failures"])}
    return BroadcastStatus(**{**row, **decoded})


class ArchiveEntryReader:
    """ArchiveSource on the table `archive_entry`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def compute_digest(self, since: datetime) -> int:
        digest: int = await self._database.fetchval(
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
