"""Consumer that records our own events: progress of notices, subscriptions, feedback."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.newsroom.adapters.audit import encode_json
from services.newsroom.adapters.publications import lock_draft, reject_publication
from services.newsroom.domain.archive import derive_code
from services.newsroom.domain.outbox import PublicationState
from services.newsroom.domain.service_level import has_reached_target
from services.newsroom.domain.statistics import WHOLE_CHANNEL
from shared.contracts.envelope import ContractError, Envelope, read_envelope, read_message
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FeedbackErased,
    FeedbackReceived,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.message import Message
from shared.database.pool import Connection, Database
from shared.outcome import Dead, Done, InvalidDataError, Outcome

# A revision published again under another event id is accepted again: the first acceptance counts.
_RECORD_ACCEPTED = """
    insert into newsroom.broadcast (id, source, notice, revision, topic, headline, audience, accepted_at, scheduled_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (id) do update set source = excluded.source, notice = excluded.notice, revision = excluded.revision,
        topic = excluded.topic, headline = excluded.headline,
        accepted_at = least(broadcast.accepted_at, excluded.accepted_at),
        scheduled_at = case when broadcast.accepted_at < excluded.accepted_at then broadcast.scheduled_at
            else excluded.scheduled_at end,
        audience = case when broadcast.progressed_at is null then excluded.audience else broadcast.audience end
"""
_RECORD_STARTED = """
    insert into newsroom.broadcast (id, source, notice, revision, topic, lane, started_at)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (id) do update set source = excluded.source, notice = excluded.notice, revision = excluded.revision,
        topic = excluded.topic, lane = excluded.lane, started_at = excluded.started_at
"""
# Ignores older reports. A finished broadcast stays finished, but its states may still advance.
_RECORD_PROGRESS = """
    insert into newsroom.broadcast (id, audience, states, person_limited, progressed_at, finished_at, failures)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (id) do update set
        (audience, states, person_limited, progressed_at, failures) = (
            coalesce(excluded.audience, broadcast.audience), excluded.states, excluded.person_limited,
            excluded.progressed_at, excluded.failures),
        finished_at = coalesce(broadcast.finished_at, excluded.finished_at)
    where broadcast.progressed_at is null or broadcast.progressed_at <= excluded.progressed_at
"""
# Reports may arrive in any order; the earliest one counts.
_RECORD_REACHED = "update newsroom.broadcast set reached_at = least(reached_at, $2) where id = $1"
_RECORD_FINISHED = "update newsroom.broadcast set finished_at = $2 where id = $1 and finished_at is null"
_RECORD_CANCEL = """
    insert into newsroom.broadcast (id, source, notice, cancelled_at) values ($1, $2, $3, $4)
    on conflict (id) do update set source = excluded.source, notice = excluded.notice,
        cancelled_at = coalesce(broadcast.cancelled_at, excluded.cancelled_at)
"""
_FIND_PUBLICATION = "select id from newsroom.publication where id = $1 and body ->> 'source' = $2"
_ACCEPT_PUBLICATION = """
    update newsroom.publication
    set state = 'accepted', problems = default, answered_at = coalesce(answered_at, $2),
        confirmed_at = coalesce(confirmed_at, $2), broadcast = coalesce(broadcast, $3)
    where id = $1
"""
# The event takes precedence over a refusal of the repetition, sent because the HTTP answer was lost, and over what was
# done with the draft since: only a new version that was not handed over as this revision stays open.
_PUBLISH_DRAFT = """
    update newsroom.draft d set state = 'published', changed_at = $2
    from newsroom.publication p
    where p.id = $1 and d.id = p.draft and d.state <> 'published' and (d.state = 'discarded' or exists (
        select from newsroom.publication o
        where o.draft = d.id and o.version = d.version and o.revision = p.revision))
"""
_FIND_START = "select started_at from newsroom.broadcast where id = $1"
# An entry is never rewritten. Which of several publications of a revision took effect is known once it is accepted.
_FIND_STARTED_REVISION = """
    with candidate as (
        select p.id, p.state, p.broadcast from newsroom.publication p join newsroom.draft d on d.id = p.draft
        where p.body ->> 'source' = $1 and p.revision = $3 and d.kind <> 'withdrawal'
            and (d.notice = $2 or (d.corrects = $2 and d.kind = 'update')))
    select id from candidate where broadcast = $4 or (state <> 'rejected' and (select count(*) from candidate) = 1)
"""
# A follow-up goes to whoever got any revision of the earlier notice, and so concerns the places of all of them.
_ARCHIVE = """
    insert into newsroom.archive_entry (code, publication, notice, revision, topic, municipalities, headline, text,
        link, picture, urgent, published_at, expires_at)
    select $1, p.id, $3, $4, v.content ->> 'topic',
        coalesce((
            select case when bool_or(e.municipalities = '{}') then '{}' else array_agg(distinct m order by m) end
            from newsroom.archive_entry e left join lateral unnest(e.municipalities) as m on true
            where d.kind = 'follow_up' and e.notice = d.corrects
        ), array(select jsonb_array_elements_text(coalesce(v.content -> 'municipalities', '[]')))),
        v.content ->> 'headline', v.content ->> 'text', v.content ->> 'link', v.content ->> 'picture',
        coalesce((v.content ->> 'urgent')::boolean, false), $5, (p.body ->> 'expirytime')::timestamptz
    from newsroom.publication p join newsroom.draft d on d.id = p.draft
        join newsroom.draft_version v on v.draft = p.draft and v.version = p.version
    where p.id = $2
    on conflict do nothing
"""
_REPLACE = """
    update newsroom.archive_entry e set replaced_by = (
        select min(b.revision) from newsroom.broadcast b
        where b.source = $1 and b.notice = $2 and b.revision > e.revision and b.started_at is not null)
    where e.notice = $2
"""
_ADD_WITHDRAWN = "insert into newsroom.withdrawn_notice (source, notice, at) values ($1, $2, $3) on conflict do nothing"
# Runs after both events: the withdrawal may be known before the start.
_WITHDRAW = """
    update newsroom.archive_entry e set withdrawn_at = w.at
    from newsroom.withdrawn_notice w
    where w.source = $1 and w.notice = $2 and e.notice = w.notice and e.withdrawn_at is null
"""
# Serializes events about a notice in two processes: the second transaction sees what the first has written.
_LOCK_NOTICE = "select pg_advisory_xact_lock(hashtextextended('archive ' || $1::text || ' ' || $2::text, 0))"
_COUNT = """
    insert into newsroom.subscription_hour (hour, topic, started, ended) values ($1, $2, $3, $4)
    on conflict (hour, topic) do update set started = subscription_hour.started + excluded.started,
        ended = subscription_hour.ended + excluded.ended
"""
_ADD_TO_INBOX = "insert into newsroom.inbox (event) values ($1) on conflict do nothing returning event"
_FEEDBACK = """
    insert into newsroom.feedback (id, kind, value, text, topic, broadcast, at)
    select $1::uuid, $2::text, nullif($3::text, ''), nullif($4::text, ''), $5::text, $6::uuid, $7::timestamptz
    where not exists (select from newsroom.inbox where event = 'erased ' || $1::uuid)
    on conflict (id) do update set value = excluded.value, text = excluded.text, at = excluded.at
"""
_DELETE_FEEDBACK = "delete from newsroom.feedback where id = any($1)"
# Serializes with an erasure in another process: the second transaction sees what the first has written.
_LOCK_FEEDBACK = "select pg_advisory_xact_lock(hashtextextended('feedback ' || $1::uuid::text, 0))"
# An entry stays erased if its event arrives after the erasure.
_MARK_ERASED = """
    insert into newsroom.inbox (event) select 'erased ' || entry from unnest($1::uuid[]) entry on conflict do nothing
"""


@dataclass(frozen=True, kw_only=True)
class NewsroomEventHandler:
    """Idempotent handler of events in any order. `source` is that of the notices published here."""

    database: Database
    source: str

    async def handle(self, body: bytes) -> Outcome:
        """Record one event. Raises DatabaseUnavailable."""
        try:
            envelope = read_envelope(body)
            message = read_message(envelope)
        except ContractError as error:
            return Dead(str(error))
        try:
            is_expected = await self._record(envelope, message)
        except InvalidDataError as error:
            return Dead(f"{message.TYPE}: {error}")
        return Done() if is_expected else Dead(f"unexpected {message.TYPE}")

    async def _record(self, envelope: Envelope, message: Message) -> bool:
        """Record the event; return False if the newsroom does not expect its type."""
        occurred_at = envelope.time
        match message:
            case NoticeAccepted():
                await self._record_accepted(message, occurred_at)
            case NoticeRejected():
                await self._record_rejected(message, occurred_at)
            case BroadcastStarted():
                await self._record_started(message, occurred_at)
            case BroadcastProgressed() | BroadcastFinished():
                await self._record_progress(message, occurred_at)
            case BroadcastCancelled():
                async with self.database.connection() as connection:
                    await connection.execute(
                        _RECORD_CANCEL, message.broadcast, message.source, message.notice, occurred_at
                    )
            case FeedbackReceived():
                await self._record_feedback(message)
            case FeedbackErased():
                await self._delete_feedback(message.feedback)
            case _:
                return await self._count(envelope, message)
        return True

    async def _count(self, envelope: Envelope, message: Message) -> bool:
        match message:
            case SubscriptionStarted():
                await self._count_subscription(envelope, WHOLE_CHANNEL, started=1)
            case SubscriptionEnded(topic=topic, was_subscribed=True):
                await self._count_subscription(envelope, topic or WHOLE_CHANNEL, ended=1)
            case SubscriptionEnded() | SubscriptionChanged():
                pass  # nobody left; and a change contains the current topics, not what changed
            case _:
                return False
        return True

    async def _record_accepted(self, message: NoticeAccepted, occurred_at: datetime) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(_LOCK_NOTICE, message.source, message.notice)
            if message.broadcast:
                values = (message.headline, message.audience, occurred_at, message.scheduled_at)
                await connection.execute(_RECORD_ACCEPTED, *_list_columns(message), *values)
            if publication := await _find_publication(connection, message):
                await lock_draft(connection, publication)
                await connection.execute(_ACCEPT_PUBLICATION, publication, occurred_at, message.broadcast)
                await connection.execute(_PUBLISH_DRAFT, publication, occurred_at)
                started_at = await connection.fetchval(_FIND_START, message.broadcast)
                if started_at:  # the start came first, when the publication may have counted as rejected
                    await _archive(connection, message, publication, started_at)
            if message.action is NoticeAction.WITHDRAWN:
                await connection.execute(_ADD_WITHDRAWN, message.source, message.notice, occurred_at)
                # Ours may also be withdrawn by another system that manages our source.
                if message.source == self.source:
                    await connection.execute(_WITHDRAW, message.source, message.notice)

    async def _record_rejected(self, message: NoticeRejected, occurred_at: datetime) -> None:
        async with self.database.transaction() as connection:
            if publication := await _find_publication(connection, message):
                states = (PublicationState.WAITING, PublicationState.ACCEPTED)
                await reject_publication(connection, publication, message.problems, occurred_at, *states)

    async def _record_started(self, message: BroadcastStarted, occurred_at: datetime) -> None:
        """Record the start; it puts a notice of ours into the public archive."""
        async with self.database.transaction() as connection:
            await connection.execute(_LOCK_NOTICE, message.source, message.notice)
            await connection.execute(_RECORD_STARTED, *_list_columns(message), message.lane, occurred_at)
            if message.source == self.source:
                revision = (message.source, message.notice, message.revision, message.broadcast)
                publication = await connection.fetchval(_FIND_STARTED_REVISION, *revision)
                await _archive(connection, message, publication, occurred_at)

    async def _record_progress(self, message: BroadcastProgressed | BroadcastFinished, occurred_at: datetime) -> None:
        finished_at = occurred_at if isinstance(message, BroadcastFinished) else None
        person_limited = message.person_limited if isinstance(message, BroadcastProgressed) else 0
        states, failures = encode_json(message.states), encode_json(message.failures)
        values = (message.broadcast, message.audience, states, person_limited, occurred_at, finished_at, failures)
        async with self.database.transaction() as connection:
            await connection.execute(_RECORD_PROGRESS, *values)
            if finished_at:
                await connection.execute(_RECORD_FINISHED, message.broadcast, finished_at)
            if has_reached_target(message.audience, message.states):
                await connection.execute(_RECORD_REACHED, message.broadcast, occurred_at)

    async def _count_subscription(self, envelope: Envelope, topic: str, *, started: int = 0, ended: int = 0) -> None:
        hour = envelope.time.replace(minute=0, second=0, microsecond=0)
        async with self.database.transaction() as connection:
            if await connection.fetchval(_ADD_TO_INBOX, envelope.id) is not None:
                await connection.execute(_COUNT, hour, topic, started, ended)

    async def _record_feedback(self, message: FeedbackReceived) -> None:
        entry, content = message.feedback, (message.value, message.text)
        async with self.database.transaction() as connection:
            await connection.execute(_LOCK_FEEDBACK, entry)
            if any(content):
                values = (message.kind, *content, message.topic, message.broadcast, message.at)
                await connection.execute(_FEEDBACK, entry, *values)
            else:
                await connection.execute(_DELETE_FEEDBACK, [entry])

    async def _delete_feedback(self, entries: Collection[UUID]) -> None:
        async with self.database.transaction() as connection:
            for entry in sorted(entries):  # sorted, so that two transactions cannot deadlock
                await connection.execute(_LOCK_FEEDBACK, entry)
            await connection.execute(_MARK_ERASED, list(entries))
            await connection.execute(_DELETE_FEEDBACK, list(entries))


def _list_columns(message: NoticeAccepted | BroadcastStarted) -> tuple[object, ...]:
    return message.broadcast, message.source, message.notice, message.revision, message.topic


async def _find_publication(connection: Connection, message: NoticeAccepted | NoticeRejected) -> UUID | None:
    try:
        identifier = UUID(message.event)
    except ValueError:
        return None  # the event of another system
    publication: UUID | None = await connection.fetchval(_FIND_PUBLICATION, identifier, message.source)
    return publication


async def _archive(
    connection: Connection, message: NoticeAccepted | BroadcastStarted, publication: UUID | None, started_at: datetime
) -> None:
    source, notice = message.source, message.notice
    if publication is not None:
        values = (publication, notice, message.revision, started_at)
        await connection.execute(_ARCHIVE, derive_code(publication), *values)
    await connection.execute(_REPLACE, source, notice)  # another system's revision is not an entry, but replaces ours
    await connection.execute(_WITHDRAW, source, notice)
