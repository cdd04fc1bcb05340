"""Drafts in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.adapters.accounts import ACCOUNT_COLUMNS, build_account
from services.newsroom.adapters.audit import encode_json, record_act
from services.newsroom.adapters.broadcasts import IS_REPLACED
from services.newsroom.adapters.sending_control import fetch_budget, lock_budget
from services.newsroom.domain.accounts import NotPermitted, Right
from services.newsroom.domain.audit import Act
from services.newsroom.domain.drafts import (
    Author,
    DraftContent,
    DraftDecision,
    DraftKind,
    DraftNotFound,
    DraftState,
    DraftVersion,
    NoticeDraft,
    PublishedRevision,
    Verdict,
)
from services.newsroom.domain.outbox import DecideDraft, DecidePublication, DraftChange
from shared.database.pool import Connection, Database

_DRAFTS = f"""
    select d.id, d.notice, d.kind, d.corrects, d.state, d.changed_at, d.emergency, v.version, v.content, v.saved_at,
        v.seen_revision, v.author, a.person, a.name, d.created_by, c.person as creator_person, c.name as creator_name,
        p.revision as own_revision, w.at as withdrawn_at, {IS_REPLACED}
    from newsroom.draft d join newsroom.draft_version v on v.draft = d.id and v.version = d.version
        join newsroom.account a on a.id = v.author join newsroom.account c on c.id = d.created_by
        left join lateral (
            select revision, broadcast, body ->> 'source' as source from newsroom.publication
            where draft = d.id and state <> 'rejected' order by created_at desc limit 1) p on true
        left join newsroom.broadcast b on b.id = p.broadcast
        left join newsroom.withdrawn_notice w on w.source = p.source
            and w.notice = case when d.kind in ('update', 'withdrawal') then d.corrects else d.notice end
"""  # noqa: S608 - constant parts
_DECISIONS = f"""
    select {ACCOUNT_COLUMNS}, e.id as decision, e.verdict, e.version, e.person as human, e.reason, e.at as decided_at, (
        select p.approvals from newsroom.draft d join newsroom.publication p on p.draft = d.id and p.version = d.version
        where d.id = e.draft and d.state = 'published' and p.state <> 'rejected'
        order by p.created_at desc limit 1) as counted
    from newsroom.decision e join newsroom.account a on a.id = e.account where e.draft = $1 order by e.at, e.id
"""  # noqa: S608 - constant parts

_DRAFT = f"{_DRAFTS} where d.id = $1"
_LISTED = f"""
    {_DRAFTS} where d.state = any($1) and ($3::uuid is null or a.person = $3)
        and ($4::uuid is null or a.person <> $4 and not exists (
            select from newsroom.decision e
            where e.draft = d.id and e.version = d.version and e.verdict = 'submit' and e.person = $4))
        and ($5::timestamptz is null or d.changed_at < $5)
    order by d.changed_at desc, d.id limit $2
"""
_VERSIONS = """
    select v.version, v.content, v.author, v.saved_at, v.seen_revision, a.person, a.name
    from newsroom.draft_version v join newsroom.account a on a.id = v.author where v.draft = $1 order by v.version desc
"""
# Drafts of the same notice are changed one at a time: the next revision depends on the earlier ones.
_LOCK = """
    select pg_advisory_xact_lock(hashtextextended('notice ' || coalesce(corrects, notice), 0))
    from newsroom.draft where id = $1
"""
# Pressing the button in two windows at once creates a single draft.
_LOCK_CREATION = "select pg_advisory_xact_lock(hashtextextended('creation ' || $1::uuid::text, 0))"
_LOCK_ROW = "select from newsroom.draft where id = $1 for update"
_MAY_ACT = """
    select disabled_at is null and roles @> $2::text[] and ($3::bytea is null or exists (
        select from newsroom.session where token_hash = $3 and revoked_at is null))
    from newsroom.account where id = $1
"""
_ADD_DRAFT = """
    insert into newsroom.draft (id, notice, kind, corrects, state, version, created_by, created_at, changed_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
"""
_ADD_VERSION = """
    insert into newsroom.draft_version (draft, version, content, author, saved_at, seen_revision)
    values ($1, $2, $3, $4, $5, $6)
"""
_UPDATE = """
    update newsroom.draft set state = $2, version = coalesce($3, version), changed_at = $4,
        emergency = case when $6 then $5 else emergency end
    where id = $1
"""
_ADD_DECISION = """
    insert into newsroom.decision (id, draft, version, account, person, verdict, reason, at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ADD_PUBLICATION = """
    insert into newsroom.publication (id, draft, version, revision, body, created_at, next_at, people, approvals)
    values ($1, $2, $3, $4, $5, $6, $6, $7, $8)
"""
_HEADLINES = """
    select headline, accepted_at from newsroom.broadcast
    where topic = $1 and accepted_at > $2 and notice is distinct from $3 and headline is not null
    order by accepted_at desc limit 200
"""
# Our revisions once they are handed over, and those of other systems, which may update our notices.
_REVISION = """
    select coalesce(greatest((
        select max(p.revision) from newsroom.publication p join newsroom.draft d on d.id = p.draft
        where p.state <> 'rejected' and (d.notice = $2 or (d.corrects = $2 and d.kind = 'update'))
    ), (select max(revision) from newsroom.broadcast where source = $1 and notice = $2)), 0)
"""
_EARLIER = """
    select p.draft, p.revision, v.content from newsroom.publication p
    join newsroom.draft d on d.id = p.draft join newsroom.draft_version v on v.draft = p.draft and v.version = p.version
    where p.state <> 'rejected' and (d.notice = $1 or (d.corrects = $1 and d.kind = 'update'))
    order by p.revision desc, p.created_at desc limit 1
"""
_UNTOUCHED = """
    select d.id from newsroom.draft d join newsroom.draft_version v on v.draft = d.id and v.version = d.version
    where d.state = 'draft' and d.version = 1 and d.created_by = $1 and d.kind = $2
        and d.corrects is not distinct from $3 and v.content = $4::jsonb and v.seen_revision = $5
    order by d.changed_at desc limit 1
"""
_UNREVIEWED = f"""
    {_DRAFTS} where d.emergency is not null and d.state = 'published' and not exists (
        select from newsroom.decision e where e.draft = d.id and e.version = d.version and e.verdict = 'review')
    order by d.changed_at limit 100
"""

# Right that the giver of an approval has to keep for it to count.
_RIGHTS = {Verdict.APPROVE: Right.APPROVE, Verdict.APPROVE_AMOUNT: Right.APPROVE_AMOUNTS}
_decode_content = msgspec.json.Decoder(DraftContent).decode


class PostgresDraftRepository:
    """Drafts with all their versions. `source` is that of the notices published here."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source

    async def create(self, draft: NoticeDraft, act: Act) -> NoticeDraft:
        """Create the draft, or resume an identical one that its author created and never saved again."""
        origin = (draft.created_by.account, draft.kind, draft.corrects)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_CREATION, draft.created_by.account)
            content = encode_json(draft.content)
            existing = await connection.fetchval(_UNTOUCHED, *origin, content, draft.newest.seen_revision)
            if existing is None:
                await _add_draft(connection, draft, act)
            return replace(await self._find(connection, existing or draft.id), is_resumed=existing is not None)

    async def create_published(self, draft: NoticeDraft, act: Act, decide: DecidePublication) -> NoticeDraft:
        """Create the draft and publish it, or store nothing. Raises as `change`."""
        async with self._database.transaction() as connection:
            await _add_draft(connection, draft, act)
            return await self._publish(connection, draft.id, decide)

    async def find(self, draft_id: UUID) -> NoticeDraft:
        """Return the draft. Raises DraftNotFound."""
        async with self._database.connection() as connection:
            return await self._find(connection, draft_id)

    async def change(self, draft_id: UUID, decide: DecideDraft) -> NoticeDraft:
        """Decide on the locked draft, store the change, and return the draft; None changes nothing.

        Raises DraftNotFound, NotPermitted if the actor's session was ended or a role taken away meanwhile, and any
        exception of `decide`.
        """
        async with self._database.transaction() as connection:
            draft = await self._lock(connection, draft_id)
            return await self._apply(connection, draft, decide(draft))

    async def publish(self, draft_id: UUID, decide: DecidePublication) -> NoticeDraft:
        """As `change`, but also pass the month's budget, locked until the change is stored."""
        async with self._database.transaction() as connection:
            return await self._publish(connection, draft_id, decide)

    async def _publish(self, connection: Connection, draft_id: UUID, decide: DecidePublication) -> NoticeDraft:
        await lock_budget(connection)
        draft = await self._lock(connection, draft_id)
        budget = await fetch_budget(connection, draft.content.scheduled_at, self._source, draft.corrected)
        return await self._apply(connection, draft, decide(draft, budget))

    async def list_drafts(
        self,
        states: Collection[DraftState],
        limit: int,
        *,
        writer: UUID | None = None,
        excluded_writer: UUID | None = None,
        before: datetime | None = None,
    ) -> Sequence[NoticeDraft]:
        """Return drafts in these states, changed `before`, most recently changed first, without their decisions.

        The writer of a draft is who saved its newest version. Excluded is what the person has submitted, too.
        """
        rows = await self._database.fetch(_LISTED, [*states], limit, writer, excluded_writer, before)
        return [_read_draft(row) for row in rows]

    async def list_versions(self, draft_id: UUID) -> Sequence[DraftVersion]:
        """Return all versions, newest first."""
        return [_read_version(row) for row in await self._database.fetch(_VERSIONS, draft_id)]

    async def list_recent_headlines(self, topic: str, since: datetime, excluded: str) -> Sequence[tuple[str, datetime]]:
        """Return the headlines of the topic's broadcasts `since`, except those of one notice."""
        rows = await self._database.fetch(_HEADLINES, topic, since, excluded)
        return [(row["headline"], row["accepted_at"]) for row in rows]

    async def list_unreviewed(self) -> Sequence[NoticeDraft]:
        """Return emergency publications that nobody has reviewed yet."""
        return [_read_draft(row) for row in await self._database.fetch(_UNREVIEWED)]

    async def _find(self, connection: Connection, draft_id: UUID) -> NoticeDraft:
        row = await connection.fetchrow(_DRAFT, draft_id)
        if row is None:
            raise DraftNotFound
        draft = _read_draft(row)
        earlier = await connection.fetchrow(_EARLIER, draft.corrects) if draft.corrects else None
        return replace(
            draft,
            earlier=_read_revision(earlier) if earlier else None,
            revision=await connection.fetchval(_REVISION, self._source, draft.subject),
            decisions=tuple(map(_read_decision, await connection.fetch(_DECISIONS, draft_id))),
        )

    async def _lock(self, connection: Connection, draft_id: UUID) -> NoticeDraft:
        await connection.execute(_LOCK, draft_id)
        await connection.execute(_LOCK_ROW, draft_id)
        return await self._find(connection, draft_id)

    async def _apply(self, connection: Connection, draft: NoticeDraft, change: DraftChange | None) -> NoticeDraft:
        if change is None:
            return draft
        actor = change.actor  # asking the notices API may have taken seconds
        if not await connection.fetchval(_MAY_ACT, actor.id, sorted(actor.roles), actor.session):
            raise NotPermitted("Ihre Anmeldung wurde inzwischen beendet, oder Ihr Konto hat eine Rolle weniger.")
        await _store(connection, draft.id, change)
        return await self._find(connection, draft.id)


async def _add_draft(connection: Connection, draft: NoticeDraft, act: Act) -> None:
    values = (draft.id, draft.notice, draft.kind, draft.corrects, draft.state, draft.version)
    await connection.execute(_ADD_DRAFT, *values, draft.created_by.account, draft.changed_at)
    await _add_version(connection, draft.id, draft.newest)
    await record_act(connection, act)


async def _store(connection: Connection, draft_id: UUID, change: DraftChange) -> None:
    if change.version:
        await _add_version(connection, draft_id, change.version)
    version = change.version.version if change.version else None
    is_published = change.publication is not None
    values = (change.state, version, change.changed_at, change.emergency, is_published)
    await connection.execute(_UPDATE, draft_id, *values)
    if decision := change.decision:
        author, verdict = (decision.author.account, decision.author.person), decision.verdict
        columns = (decision.version, *author, verdict, decision.reason, decision.decided_at)
        await connection.execute(_ADD_DECISION, decision.id, draft_id, *columns)
    if publication := change.publication:
        event, approvals = encode_json(publication.event), list(publication.approvals)
        saved = (publication.version, publication.revision, event, publication.created_at, publication.people)
        await connection.execute(_ADD_PUBLICATION, publication.id, draft_id, *saved, approvals)
    await record_act(connection, change.act)


async def _add_version(connection: Connection, draft_id: UUID, version: DraftVersion) -> None:
    content = encode_json(version.content)
    values = (content, version.author.account, version.saved_at, version.seen_revision)
    await connection.execute(_ADD_VERSION, draft_id, version.version, *values)


def _read_draft(row: asyncpg.Record) -> NoticeDraft:
    return NoticeDraft(
        id=row["id"],
        notice=row["notice"],
        kind=DraftKind(row["kind"]),
        state=DraftState(row["state"]),
        newest=_read_version(row),
        created_by=Author(account=row["created_by"], person=row["creator_person"], name=row["creator_name"]),
        changed_at=row["changed_at"],
        corrects=row["corrects"],
        own_revision=row["own_revision"] or 0,
        is_replaced=row["is_replaced"],
        withdrawn_at=row["withdrawn_at"],
        emergency=row["emergency"],
    )


def _read_revision(row: asyncpg.Record) -> PublishedRevision:
    return PublishedRevision(row["draft"], row["revision"], _decode_content(row["content"]))


def _read_version(row: asyncpg.Record) -> DraftVersion:
    return DraftVersion(
        version=row["version"],
        content=_decode_content(row["content"]),
        author=Author(account=row["author"], person=row["person"], name=row["name"]),
        saved_at=row["saved_at"],
        seen_revision=row["seen_revision"],
    )


def _read_decision(row: asyncpg.Record) -> DraftDecision:
    verdict, account, counted_ids = Verdict(row["verdict"]), build_account(row), row["counted"]
    right = _RIGHTS.get(verdict)
    # Once published, the approvals that counted at that time are valid.
    is_valid = right is None or (account.may(right) if counted_ids is None else row["decision"] in counted_ids)
    return DraftDecision(
        id=row["decision"],
        verdict=verdict,
        version=row["version"],
        author=Author(account=account.id, person=row["human"], name=account.name),
        decided_at=row["decided_at"],
        reason=row["reason"],
        is_void=not is_valid,
    )
