"""Notices in PostgreSQL."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from services.subscriptions.domain.broadcast import Broadcast, Revision
from services.subscriptions.domain.notice_commands import NoticeCommand, NoticeDecision, NoticeState, StoredAnswer
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.quotas import Quota
from shared.contracts.notices import NoticeContent
from shared.database.pool import Connection, Database

_ANSWER = "select digest, publications from subscriptions.notice_event where source = $1 and event = $2"
# Locked until the transaction ends, in this order: the event, its system, its notice.
_LOCK = """
    select pg_advisory_xact_lock(hashtextextended('event ' || $2 || ' ' || $1, 0)),
        pg_advisory_xact_lock(hashtextextended('system ' || $3, 0)),
        pg_advisory_xact_lock(hashtextextended('notice ' || $4 || ' ' || $1, 0))
"""
_WITHDRAWN = """
    select exists (
        select from subscriptions.notice where source = $1 and notice = $2 and withdrawn_at is not null)
"""
_REVISIONS = """
    select id as broadcast, revision as number, digest, topic, expires_at, state = 'cancelled' as cancelled
    from subscriptions.broadcast where source = $1 and notice = $2 order by revision
"""
_FOLLOWED = "select id, topic from subscriptions.broadcast where source = $1 and notice = $2 order by revision"
# Time of the event that has to leave the window before the next one is permitted; no row below the limit.
_FULL = """
    select handled_at from subscriptions.notice_event
    where {} and system = $1 and handled_at > $2 and (urgent or not $3)
    order by handled_at desc offset $4 limit 1
"""
_FULL_OF_NOTICES, _FULL_OF_SILENT = _FULL.format("counts"), _FULL.format("not counts")
_AUDIENCE = """
    select (select count(*) from subscriptions.subscription where topic = $1) - (
        select count(*) from subscriptions.subscriber join subscriptions.subscription on subscriber_id = id
        where topic = $1 and paused_until > $2)
"""
_LOCAL_AUDIENCE = """
    select count(*) from subscriptions.subscription join subscriptions.subscriber on id = subscriber_id
    where topic = $1 and (paused_until is null or paused_until <= $2) and (places = '{}' or $3 && places)
"""
_NOTICE = """
    insert into subscriptions.notice (source, notice, withdrawn_at) values ($1, $2, $3)
    on conflict (source, notice) do update set withdrawn_at = coalesce(notice.withdrawn_at, excluded.withdrawn_at)
"""
_BROADCAST = """
    insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template, published_at,
        expires_at, state, opens, closes, zone, follows, municipalities, spread_seconds, spacing_seconds)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""
# Before and apart from _CANCEL: only a statement that begins later sees pages that are being stored meanwhile.
_LOCK_BROADCASTS = "select from subscriptions.broadcast where id = any($1) order by id for update"
# If pages are dropped here, the broadcast no longer counts as read to its end: their recipients are never published.
_CANCEL = """
    with dropped as (delete from subscriptions.pending_page where broadcast_id = any($1) returning broadcast_id)
    update subscriptions.broadcast set state = 'cancelled', reason = $2, position = default,
        read_to_end = read_to_end and id not in (select broadcast_id from dropped)
    where id = any($1)
"""
_EVENT = """
    insert into subscriptions.notice_event (source, event, digest, system, counts, urgent, publications, handled_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Publication, ...]).decode


class PostgresNoticeRepository:
    """Implementation of ports.NoticeRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_answer(self, source: str, event: str) -> StoredAnswer | None:
        async with self._database.connection() as connection:
            return await _find_answer(connection, source, event)

    async def process_once(
        self, command: NoticeCommand, now: datetime, decide: Callable[[NoticeState], NoticeDecision], *, store: bool
    ) -> NoticeDecision:
        source, event = command.envelope.source, command.envelope.id
        async with self._database.transaction() as connection:
            if store:
                await connection.execute(_LOCK, source, event, command.system.name, command.subject)
            answer = await _find_answer(connection, source, event)
            state = NoticeState(answered=answer) if answer else await _read_state(connection, command, now)
            decision = decide(state)
            if store and not decision.problems and not decision.duplicate:
                await _store(connection, command, decision, now)
            return decision


async def _find_answer(connection: Connection, source: str, event: str) -> StoredAnswer | None:
    row = await connection.fetchrow(_ANSWER, source, event)
    return StoredAnswer(digest=row["digest"], publications=_decode(row["publications"])) if row else None


async def _read_state(connection: Connection, command: NoticeCommand, now: datetime) -> NoticeState:
    source, content = command.envelope.source, command.content
    followed = await connection.fetch(_FOLLOWED, source, content.follows) if content and content.follows else ()
    revisions = await connection.fetch(_REVISIONS, source, command.subject)
    return NoticeState(
        withdrawn=await connection.fetchval(_WITHDRAWN, source, command.subject),
        revisions=tuple(Revision(**row) for row in revisions),
        followed={row["id"]: row["topic"] for row in followed},
        exhausted_quotas=await _find_exhausted_quotas(connection, command, now),
        audience=await _count_audience(connection, content, now) if content else None,
    )


async def _find_exhausted_quotas(
    connection: Connection, command: NoticeCommand, now: datetime
) -> dict[Quota, datetime | None]:
    """Return the exhausted quotas, each with the time of the notice that must leave the window; None for limit 0."""
    exhausted: dict[Quota, datetime | None] = {}
    for quota in command.quotas:
        if quota.limit == 0:
            exhausted[quota] = None
            continue
        window_start = now - quota.window
        statement = _FULL_OF_SILENT if quota.silent else _FULL_OF_NOTICES
        oldest = await connection.fetchval(
            statement, command.system.name, window_start, quota.urgent_only, quota.limit - 1
        )
        if oldest is not None:
            exhausted[quota] = oldest
    return exhausted


async def _count_audience(connection: Connection, content: NoticeContent, now: datetime) -> int | None:
    """Count the recipients as of the planned start; None for a follow-up, whose audience only the ledger knows."""
    begins_at = max(content.scheduled_at or now, now)
    if content.follows:
        return None
    if content.municipalities:
        count: int = await connection.fetchval(_LOCAL_AUDIENCE, content.topic, begins_at, list(content.municipalities))
    else:
        count = await connection.fetchval(_AUDIENCE, content.topic, begins_at)
    return count


async def _store(connection: Connection, command: NoticeCommand, decision: NoticeDecision, now: datetime) -> None:
    source, broadcast = command.envelope.source, decision.broadcast
    if broadcast or decision.withdraw:
        await connection.execute(_NOTICE, source, command.subject, now if decision.withdraw else None)
    if broadcast:
        await connection.execute(_BROADCAST, *_build_broadcast_row(broadcast))
    if decision.cancelled:
        await connection.execute(_LOCK_BROADCASTS, decision.cancelled)
        await connection.execute(_CANCEL, decision.cancelled, decision.reason)
    urgent = command.content is not None and command.content.urgent
    answer = (command.digest, command.system.name, broadcast is not None, urgent, _encode(decision.publications))
    await connection.execute(_EVENT, source, command.envelope.id, *answer, now)


def _build_broadcast_row(broadcast: Broadcast) -> tuple[object, ...]:
    return (
        broadcast.id,
        broadcast.source,
        broadcast.notice,
        broadcast.revision,
        broadcast.digest,
        broadcast.topic,
        broadcast.lane,
        msgspec.json.encode(broadcast.template).decode(),
        broadcast.published_at,
        broadcast.expires_at,
        "scheduled" if broadcast.scheduled else "expanding",
        *((hours.opens, hours.closes, hours.zone) if (hours := broadcast.hours) else (None, None, None)),
        list(broadcast.follows),
        list(broadcast.municipalities),
        broadcast.spread.total_seconds() if broadcast.spread else None,
        broadcast.spacing_seconds,
    )
