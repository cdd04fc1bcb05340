"""Claims in PostgreSQL: the statement that claims a delivery also decides whether it may be sent.

Each statement is committed before the first request. Existing rows are skipped, so a batch or a reply may be
redelivered any number of times; recipients who may not get it, or not yet, are recorded as such at once.

Due rows are found by `statement_timestamp()`: PostgreSQL does not search an index for `clock_timestamp()`, which may
change during a scan, but would read all waiting rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import asyncpg
import msgspec

from services.dispatcher.domain.account import template_key
from services.dispatcher.domain.claims import AskedReply, Batch, Claim, Instant
from services.dispatcher.domain.content import build_reply_body
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested, Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Address, AddressKind, Lane
from shared.database.pool import Database
from shared.outcome import DependencyUnavailable, InvalidDataError
from shared.runtime.clock import read_clocks

# Whether the ledger may have lost deliveries requested at that time: a backup was restored since (decision 0032).
MAY_BE_LOST = "exists (select from dispatcher.restore r where r.lost_at > {})"

_REGISTER = """
insert into dispatcher.broadcast as b
    (id, notice, revision, topic, lane, template, content, published_at, expires_at, audience, expanded,
     opens, closes, zone, spacing)
select $1, $2, $3, $4, $5::text::dispatcher.lane, $6, $7::text::jsonb, $8, $9, $10, $11, $12, $13, $14, $15
-- A row whose hours cannot be computed would break every query over all broadcasts.
where dispatcher.opening($12, $13, $14, clock_timestamp()) is not null
on conflict (id) do update set
    audience = greatest(excluded.audience, b.audience), expanded = greatest(b.expanded, excluded.expanded),
    awaited_at = clock_timestamp()
returning true
"""

# Outcome of the candidates in `judged`: if the number's row has a limit, claims are serialized by `limit_claims`.
_LIMITED = """
exhausted as materialized (
    select e.* from (
        select array_agg(id order by id) as ids, array_agg(subscriber order by id) as subscribers,
            array_agg(claim = 0 order by id) as firsts
        from judged where verdict = 'claimed'
    ) as wanted, dispatcher.limit_claims({number}, ids, subscribers, firsts) e where exists (
        select from dispatcher.rate where number = {number} and coalesce(people_setting, messages_a_month) is not null)
), limited as (
    select j.*, case when e.id is null then j.verdict else 'waiting' end as state,
        case when e.id is null then j.until end as due_at, coalesce(e.waits_for, j.cause) as waits_for
    from judged j left join exhausted e using (id)
)
"""

# New rows. A recipient who never gets it needs neither address nor text: a late batch may follow a completed erasure.
INSERTED = """
inserted as (
    insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, claim, address_kind, address_index,
        address_sealed, content, asked_at, expires_at, due_at, waits_for, answer_by, unknown_at)
    select id, source, subscriber, sequence, lane, state, (state = 'claimed')::int, address_kind,
        case when is_open then address_index else '' end, case when is_open then address_sealed else '' end,
        case when is_open then content end, asked_at, expires_at, due_at, waits_for,
        case when state = 'claimed' then clock_timestamp() + make_interval(secs => {answer_seconds}) end,
        case when state = 'unknown' then clock_timestamp() end
    from (select *, state in ('claimed', 'waiting', 'unknown') as is_open from {rows}) as decided
    on conflict do nothing
    returning id, source, state
)
"""

_CLAIM_BATCH = f"""
with candidate as (
    select c.*, 0 as claim
    from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bytea[], $6::bytea[], $7::int[])
        as c (id, subscriber, sequence, address_kind, address_index, address_sealed, ordinal)
    where not exists (select from dispatcher.delivery d where d.id = c.id)
), judged as (
    select c.*, b.id as source, b.lane, null::jsonb as content, b.published_at as asked_at, b.expires_at,
        case when $12 and v.state = 'claimed' then 'waiting' else v.state end as verdict,
        case when $12 and v.state = 'claimed' then least(b.published_at, clock_timestamp()) else v.due_at end as until,
        case when $12 and v.state = 'claimed' then 'rate' else v.waits_for end as cause
    from candidate c, dispatcher.broadcast b, dispatcher.judge_new(b, c.subscriber, c.sequence, c.ordinal) v
    where b.id = $8
), {_LIMITED.format(number="$11")}, {INSERTED.format(rows="limited", answer_seconds="$10")}
select array_agg(id) filter (where state = 'claimed') as claimed,
    dispatcher.count_changes($9, array_agg(source), null, array_agg(state)) from inserted
"""

# A reply has neither a broadcast nor a limit: only its expiry counts.
_CLAIM_DUE = f"""
with candidate as (
    select d.* from dispatcher.delivery d
    where d.lane = $1::text::dispatcher.lane and d.due_at <= statement_timestamp()
    order by d.due_at limit $2 for update skip locked
), judged as (
    select c.id, c.claim, c.subscriber, b.id as broadcast, coalesce(b.content, c.content) as content, v.until, v.cause,
        case when b.id is null and c.expires_at <= clock_timestamp() then 'expired' else v.verdict end as verdict
    from candidate c left join dispatcher.broadcast b on b.id = c.source,
        dispatcher.judge(b, c.subscriber, c.sequence, null) v (verdict, until, cause)
    where b.id is not null or c.subscriber is null
), {_LIMITED.format(number="$5")}, changed as (
    update dispatcher.delivery d
    set state = l.state, due_at = l.due_at, waits_for = l.waits_for, unknown_at = null,
        claim = d.claim + (l.state = 'claimed')::int,
        claimed_at = case when l.state = 'claimed' then clock_timestamp() else d.claimed_at end,
        answer_by = case when l.state = 'claimed' then clock_timestamp() + make_interval(secs => $4) end,
        content = case when l.state <> 'expired' then d.content end
    from limited l where d.id = l.id
    returning d.id, d.lane, d.state, d.address_kind, d.address_index, d.address_sealed, d.attempt, d.claim, d.asked_at,
        d.expires_at, d.error_code, l.content, l.broadcast
), counted as (
    select dispatcher.count_changes($3, array_agg(broadcast), array_agg('waiting'::dispatcher.delivery_state),
        array_agg(state)) from changed
)
select id, lane::text, state = 'claimed' as is_claimed, address_kind, address_index, address_sealed, attempt, claim,
    asked_at, expires_at, error_code, content::text, broadcast
from changed, counted
"""
# Searches only the newest rows: if erasures have removed all addresses, it would otherwise read the whole table.
_NEWEST_ADDRESS = """
select address_kind, address_index, address_sealed
from (select * from dispatcher.delivery order by id desc limit 100) as newest where address_index <> '' limit 1
"""

SUPPRESS = """
insert into dispatcher.suppression as s (subscriber, topic, sequence)
select subscriber, topic, max(sequence)
from unnest($1::uuid[], $2::text[], $3::int[]) as w (subscriber, topic, sequence)
group by subscriber, topic order by subscriber, topic
on conflict (subscriber, topic) do update set
    sequence = greatest(s.sequence, excluded.sequence), suppressed_at = excluded.suppressed_at
where s.sequence < excluded.sequence
"""

# Suppresses the withdrawals of replies in the same statement as the claims: both are committed or neither.
_CLAIM_REPLIES = f"""
with suppressed as ({SUPPRESS}
), candidate as (
    select c.*, id as source, null::uuid as subscriber, null::int as sequence, 'reply'::dispatcher.lane as lane,
        case when expires_at <= clock_timestamp() then 'expired'
        when {MAY_BE_LOST.format("asked_at")} then 'unknown' when $12 then 'waiting'
        else 'claimed' end::dispatcher.delivery_state as state
    from unnest($4::uuid[], $5::text[], $6::bytea[], $7::bytea[], $8::timestamptz[],
        $9::timestamptz[], $10::text[]::jsonb[])
        as c (id, address_kind, address_index, address_sealed, asked_at, expires_at, content)
), judged as (
    select *, case when state = 'waiting' then least(asked_at, clock_timestamp()) end as due_at,
        case when state = 'waiting' then 'rate'::dispatcher.wait_cause end as waits_for
    from candidate
), {INSERTED.format(rows="judged", answer_seconds="$11")}
select id from inserted where state = 'claimed'
"""

# A concurrent resend of an earlier broadcast is seen here, or sees the follow-up.
_LOCK_FOLLOWED = "select from dispatcher.broadcast where id = any($1::uuid[]) order by id for share"
_BEGIN_FOLLOW_UP = """
insert into dispatcher.follow_up (broadcast, follows, position, last)
select $1, f, dispatcher.first_id(f), dispatcher.is_over(f) from unnest($2::uuid[]) f on conflict do nothing
"""

_ADDRESS = ("address.kind", "address.index", "address.sealed")


@dataclass(frozen=True)
class LedgerClaims:
    """Claims of one phone number; `number` is its id at Meta, `slot` spreads the counters of several replicas.

    A claim without a recorded result after `answer_seconds` has an unknown outcome.
    """

    database: Database
    number: str
    slot: int
    answer_seconds: float = 30.0

    async def find_newest_address(self) -> Address | None:
        """Return the address of a recently recorded delivery, None if there is none."""
        rows = await self.database.fetch(_NEWEST_ADDRESS)
        return _read_address(rows[0]) if rows else None

    async def register(self, batch: BroadcastBatch, content: Mapping[str, Any]) -> None:
        """Register the broadcast and how many recipients are known so far."""
        if not await self.database.fetchval(_REGISTER, *_build_broadcast_row(batch, content)):
            raise InvalidDataError("the permitted hours of a broadcast cannot be computed")

    async def begin_follow_up(self, message: BroadcastFollowUp, content: Mapping[str, Any]) -> None:
        """Register the broadcast and what it follows; recipients are added later. An existing one stays unchanged."""
        async with self.database.transaction() as connection:
            await connection.execute(_LOCK_FOLLOWED, message.follows)
            await connection.execute(_REGISTER, *_build_broadcast_row(message, content))
            await connection.execute(_BEGIN_FOLLOW_UP, message.broadcast, message.follows)

    async def claim_batch(self, batch: Batch, limit: int, *, wait: bool = False) -> list[Claim]:
        """Claim up to `limit` of the next recipients, or let them `wait` for a slot; record ineligible ones as such."""
        message, recipients = batch.message, batch.peek_recipients(limit)
        source, times = message.broadcast, (message.published_at, message.expires_at)
        ids = [delivery_id(source, recipient.subscriber) for recipient in recipients]
        ordinals = list(range(message.offset + batch.position, message.offset + batch.position + len(ids)))
        claimed_at = Instant(*read_clocks())
        columns = ids, *extract_columns(recipients, "subscriber", "sequence", *_ADDRESS), ordinals
        parameters = (source, self.slot, self.answer_seconds, self.number, wait)
        row = await self.database.fetchrow(_CLAIM_BATCH, *columns, *parameters)
        claimed = set(row["claimed"] or ())
        return [
            Claim(delivery, message.lane, recipient.address, batch.content, *times, claimed_at, broadcast=source)
            for delivery, recipient in dict(zip(ids, recipients, strict=True)).items()
            if delivery in claimed
        ]

    async def claim_replies(self, replies: Sequence[AskedReply], *, wait: bool = False) -> list[Claim]:
        """Claim replies, or let them `wait` for a slot; their withdrawals are committed in the same transaction."""
        claimed_at = Instant(*read_clocks())
        claims = {reply.reply: _build_reply_claim(reply, asked_at, claimed_at) for reply, asked_at in replies}
        columns = extract_columns(claims.values(), "delivery", *_ADDRESS, "asked_at", "expires_at")
        contents = [msgspec.json.encode(claim.content).decode() for claim in claims.values()]
        withdrawals = _build_withdrawal_columns([reply.withdrawal for reply, _ in replies if reply.withdrawal])
        rows = await self.database.fetch(_CLAIM_REPLIES, *withdrawals, *columns, contents, self.answer_seconds, wait)
        return [claims[row["id"]] for row in rows]

    async def claim_due(self, lane: Lane, limit: int) -> list[Claim]:
        """Claim due deliveries, oldest first; fewer than `limit` means that no more are due."""
        parameters = (self.slot, self.answer_seconds, self.number if lane is not Lane.REPLY else None)
        claimed_at, claims = Instant(*read_clocks()), list[Claim]()
        while missing := limit - len(claims):
            try:
                rows = await self.database.fetch(_CLAIM_DUE, lane.value, missing, *parameters)
            except DependencyUnavailable:
                if not claims:
                    raise
                break
            claims += (_read_claim(row, claimed_at) for row in rows if row["is_claimed"])
            if len(rows) < missing:
                break
        return claims

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """Suppress everything that the withdrawal covers: from the commit on, none of it is claimed."""
        await self.database.fetchval(SUPPRESS, *_build_withdrawal_columns([withdrawal]))


def extract_columns(items: Iterable[object], *names: str) -> tuple[list[Any], ...]:
    """Return a list for each of these attributes, as columns of a statement; a dotted name is a nested attribute."""
    rows = list(items)
    return tuple([get(row) for row in rows] for get in map(attrgetter, names))


def _build_broadcast_row(message: BroadcastBatch | BroadcastFollowUp, content: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the columns of a new broadcast; the audience of a follow-up is not known yet."""
    expanded, audience, spacing, hours = 0, None, None, message.hours
    if isinstance(message, BroadcastBatch):
        expanded = message.offset + len(message.recipients)
        audience = expanded if message.last else None
        spacing = timedelta(seconds=message.spacing_seconds) if message.spacing_seconds else None
    return (
        *(message.broadcast, message.notice, message.revision, message.topic, message.lane.value),
        template_key(message.template.name, message.template.language),
        msgspec.json.encode(content).decode(),
        *(message.published_at, message.expires_at, audience, expanded),
        *((hours.opens, hours.closes, hours.zone) if hours else (None, None, None)),
        spacing,
    )


def _build_withdrawal_columns(withdrawals: Sequence[Withdrawal]) -> tuple[list[Any], ...]:
    """Return the columns subscriber, topic and sequence; the topic '' means all topics."""
    subscribers, topics, sequences = extract_columns(withdrawals, "subscriber", "topic", "sequence")
    return subscribers, [topic or "" for topic in topics], sequences


def _build_reply_claim(reply: ReplyRequested, asked_at: datetime, claimed_at: Instant) -> Claim:
    content = build_reply_body(reply.text, reply.buttons, reply.menu)
    return Claim(reply.reply, Lane.REPLY, reply.recipient, content, asked_at, reply.expires_at, claimed_at)


def _read_claim(row: asyncpg.Record, claimed_at: Instant) -> Claim:
    attributes = {name: row[name] for name in ("attempt", "asked_at", "expires_at", "broadcast", "error_code")}
    lane, content = Lane(row["lane"]), msgspec.json.decode(row["content"])
    return Claim(row["id"], lane, _read_address(row), content, claimed_at=claimed_at, number=row["claim"], **attributes)


def _read_address(row: asyncpg.Record) -> Address:
    return Address(kind=AddressKind(row["address_kind"]), index=row["address_index"], sealed=row["address_sealed"])
