"""Rows of drafts and publications, read and written by several adapters."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.adapters.accounts import ACCOUNT_COLUMNS, build_account
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.drafts import (
    Author,
    DraftContent,
    DraftDecision,
    DraftKind,
    DraftState,
    DraftVersion,
    NoticeDraft,
    PublishedRevision,
    Verdict,
)
from services.newsroom.domain.outbox import NoticePublication, PublicationState
from shared.contracts.events import Problem
from shared.database.pool import Connection

# Of a broadcast `b`: a newer revision that is only planned replaces what has reached all when it begins, else at once.
IS_REPLACED = """
    exists (select from newsroom.broadcast n
        where n.source = b.source and n.notice = b.notice and n.revision > b.revision
            and (n.started_at is not null
                or (b.cancelled_at is not null and (b.finished_at is null or b.states ? 'cancelled')))) as is_replaced
"""
# Of a broadcast `b` whose notice was withdrawn at `w.at`: who did that here, and why.
WITHDRAWAL = """
    select a.name, v.content ->> 'reason' as reason
    from newsroom.draft d join newsroom.publication p on p.draft = d.id
        join newsroom.draft_version v on v.draft = p.draft and v.version = p.version
        join newsroom.account a on a.id = v.author
    where w.at is not null and d.corrects = b.notice and d.kind = 'withdrawal' and p.body ->> 'source' = b.source
        and p.confirmed_at is not null
    order by p.confirmed_at limit 1
"""
DRAFTS = f"""
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
    select {ACCOUNT_COLUMNS}, e.id as decision, e.verdict, e.version, e.person as human, e.reason, e.at as said_at, (
        select p.approvals from newsroom.draft d join newsroom.publication p on p.draft = d.id and p.version = d.version
        where d.id = e.draft and d.state = 'published' and p.state <> 'rejected'
        order by p.created_at desc limit 1) as counted
    from newsroom.decision e join newsroom.account a on a.id = e.account where e.draft = $1 order by e.at, e.id
"""  # noqa: S608 - constant parts

# What its giver may still do while an approval counts.
_RIGHTS = {Verdict.APPROVE: Right.APPROVE, Verdict.APPROVE_AMOUNT: Right.APPROVE_AMOUNTS}

_encode = msgspec.json.Encoder().encode
_decode_content = msgspec.json.Decoder(DraftContent).decode
_decode_event = msgspec.json.Decoder(dict[str, Any]).decode
_decode_problems = msgspec.json.Decoder(tuple[Problem, ...]).decode


def encode_json(value: object) -> str:
    return _encode(value).decode()


def read_draft(
    row: asyncpg.Record,
    decisions: tuple[DraftDecision, ...] = (),
    revision: int = 0,
    earlier: asyncpg.Record | None = None,
) -> NoticeDraft:
    """Return a row of DRAFTS as a draft; `earlier` is that of the newest revision of the notice that it is about."""
    return NoticeDraft(
        id=row["id"],
        notice=row["notice"],
        kind=DraftKind(row["kind"]),
        state=DraftState(row["state"]),
        newest=read_version(row),
        created_by=Author(account=row["created_by"], person=row["creator_person"], name=row["creator_name"]),
        changed_at=row["changed_at"],
        corrects=row["corrects"],
        earlier=_read_revision(earlier) if earlier else None,
        revision=revision,
        own_revision=row["own_revision"] or 0,
        is_replaced=row["is_replaced"],
        withdrawn_at=row["withdrawn_at"],
        emergency=row["emergency"],
        decisions=decisions,
    )


def _read_revision(row: asyncpg.Record) -> PublishedRevision:
    return PublishedRevision(draft=row["draft"], revision=row["revision"], content=_decode_content(row["content"]))


def read_version(row: asyncpg.Record) -> DraftVersion:
    return DraftVersion(
        version=row["version"],
        content=_decode_content(row["content"]),
        author=Author(account=row["author"], person=row["person"], name=row["name"]),
        saved_at=row["saved_at"],
        seen_revision=row["seen_revision"],
    )


async def fetch_decisions(connection: Connection, draft: UUID) -> tuple[DraftDecision, ...]:
    return tuple(_read_decision(row) for row in await connection.fetch(_DECISIONS, draft))


def _read_decision(row: asyncpg.Record) -> DraftDecision:
    verdict, account, counted = Verdict(row["verdict"]), build_account(row), row["counted"]
    right = _RIGHTS.get(verdict)
    # Of what is published, what counted then counts.
    counts = right is None or (account.may(right) if counted is None else row["decision"] in counted)
    return DraftDecision(
        id=row["decision"],
        verdict=verdict,
        version=row["version"],
        by=Author(account=account.id, person=row["human"], name=account.name),
        at=row["said_at"],
        reason=row["reason"],
        is_void=not counts,
    )


def read_publication(row: asyncpg.Record) -> NoticePublication:
    return NoticePublication(
        id=row["id"],
        draft=row["draft"],
        version=row["version"],
        revision=row["revision"],
        event=_decode_event(row["body"]),
        created_at=row["created_at"],
        state=PublicationState(row["state"]),
        tries=row["tries"],
        problems=_decode_problems(row["problems"]) if row["problems"] else (),
        broadcast=row["broadcast"],
        confirmed_at=row["confirmed_at"],
    )
