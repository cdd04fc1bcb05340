"""Results in PostgreSQL: our own, Meta's statuses, and rows without an answer.

Rows are locked in the order of their ids, so that replicas cannot deadlock. No join is made where rows are locked:
PostgreSQL 18 missed rows of a join that another transaction was changing (decision 0028). Every change of a
broadcast's delivery updates its counters in the same statement.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.dispatcher.adapters.ledger_claims import MAY_BE_LOST, LedgerClaims, extract_columns
from services.dispatcher.domain.errors import RECIPIENT_CODES
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.status_updates import AppliedStatuses, StatusFailure, StatusUpdate
from shared.contracts.events import DeliveryRefused

MAX_RESENDS = 3

# Common part of _RECORD and _APPLY_STATUSES, after the change of rows.
_RECORD_REFUSALS = """returning d.id, case when d.subscriber is not null then d.source end as broadcast, d.subscriber,
        d.error_code, j.old_state, j.new_state
), refused as (
    insert into dispatcher.refusal (delivery, subscriber, code)
    select id, subscriber, error_code from changed
    where subscriber is not null and new_state = 'failed' and error_code = any({codes}::int[])
    on conflict do nothing
)"""

# A recipient who turns out to have got a broadcast without a new claim may have been skipped by its follow-ups.
_REOPEN_AND_COUNT = """dispatcher.reopen_follow_ups(array_agg(distinct broadcast) filter (where broadcast is not null
        and old_state in ('waiting', 'failed', 'expired', 'cancelled', 'suppressed')
        and new_state in ('accepted', 'sent', 'delivered', 'read'))),
    dispatcher.count_changes({slot}, array_agg(broadcast), array_agg(old_state), array_agg(new_state)) as changed"""

# Common end of _MARK_UNKNOWN and _REQUEUE_UNKNOWN.
_RETURN_AND_COUNT = """returning case when d.subscriber is not null then d.source end as broadcast,
        '{old}'::dispatcher.delivery_state as old_state, d.state as new_state
)
select dispatcher.count_changes({slot}, array_agg(broadcast), array_agg(old_state), array_agg(new_state)) from changed
"""

# Our own result counts only for its own claim; otherwise another replica has claimed the row since. An acceptance
# always counts, unless Meta has reported that very message as failed.
_RECORD = f"""
with results as (
    select * from unnest($1::uuid[], $2::int[], $3::text[]::dispatcher.delivery_state[], $4::bytea[], $5::int[],
        $6::timestamptz[], $7::text[]::dispatcher.wait_cause[], $8::bool[])
        as r (result_id, claim, state, message_key, error_code, due_at, waits_for, attempted)
), locked as (
    select d.id, d.state as old_state, d.claim as newest_claim, d.failed_keys
    from dispatcher.delivery d where d.id = any($1::uuid[]) order by d.id for update
), judged as (
    select l.id, l.old_state, n.*, case
        when n.state = 'accepted' and n.message_key = any(l.failed_keys) then l.old_state
        when n.state = 'accepted' then dispatcher.advance(l.old_state, n.state)
        when n.claim <> l.newest_claim then l.old_state
        when l.old_state = 'claimed' or l.old_state = 'unknown' and n.state <> 'unknown' then n.state
        else l.old_state end as new_state
    from locked l join results n on l.id = n.result_id
), changed as (
    update dispatcher.delivery d
    set state = j.new_state,
        message_key = coalesce(j.message_key, d.message_key),
        error_code = coalesce(j.error_code, d.error_code),
        due_at = case when j.new_state = 'waiting' then j.due_at end,
        waits_for = case when j.new_state = 'waiting' then j.waits_for end,
        answer_by = null, unknown_at = case when j.new_state = 'unknown' then clock_timestamp() end,
        attempt = d.attempt + case when j.attempted and j.new_state = 'waiting' then 1 else 0 end,
        content = case when j.new_state in ('waiting', 'unknown') then d.content end
    from judged j where d.id = j.id and (j.new_state <> j.old_state
        or j.state = 'accepted' and d.message_key is null and j.new_state in ('accepted', 'sent', 'delivered', 'read'))
    {_RECORD_REFUSALS.format(codes="$10")}
select {_REOPEN_AND_COUNT.format(slot="$9")} from changed
"""

# A failure that Meta reports later counts once, and only for the message that it names: the row's own, or the only one
# that the row can have. If it may be about either of two, it only prevents an acceptance of that message from counting.
# Earlier statuses of a failed message no longer count. A failure that may be temporary gives the delivery another
# attempt, as long as `attempts` allows, and reopens a finished broadcast; one about the sender, the template or an
# exceeded rate does not count as an attempt. The delay depends on how often the delivery has failed.
_APPLY_STATUSES = f"""
with updates as (
    select * from unnest($1::uuid[], $2::text[]::dispatcher.delivery_state[], $3::bytea[], $4::int[], $5::int[],
        $6::text[]::jsonb[], $7::text[]::dispatcher.wait_cause[])
        as r (id, state, message_key, error_code, attempts, delays, waits_for)
), locked as (
    select d.id, d.state as old_state, d.attempt, d.message_key as old_key, d.failed_keys, d.resends, d.claim,
        d.claimed_at, greatest(d.attempt, 1 + coalesce(cardinality(d.failed_keys), 0)) as failures,
        d.subscriber is null as is_reply, (d.subscriber is not null or d.content is not null)
            and not {MAY_BE_LOST.format("d.asked_at")} as can_be_sent_again
    from dispatcher.delivery d where d.id = any($1::uuid[]) order by d.id for update
), judged as (
    select l.id, l.old_state, n.message_key, n.error_code, n.waits_for,
        coalesce(n.delays -> l.failures - 1, n.delays -> -1)::float8 as delay, case
        when n.state not in ('delivered', 'read') and n.message_key = any(l.failed_keys) then l.old_state
        when n.state = 'failed' and not coalesce(
            l.old_key = n.message_key, l.old_state in ('claimed', 'unknown', 'accepted', 'sent') and l.resends = 0
        ) then l.old_state
        when n.state = 'failed' and l.old_state in ('claimed', 'unknown', 'accepted', 'sent') and l.attempt < n.attempts
            and l.can_be_sent_again and not (l.is_reply and n.waits_for = 'template')
        then 'waiting'
        else dispatcher.advance(l.old_state, n.state) end as new_state,
        n.state = 'failed' and l.old_key is null and l.resends > 0
            and n.message_key <> all(coalesce(l.failed_keys, '{{}}')) as is_ambiguous
    from locked l join updates n on l.id = n.id
), remembered as (
    update dispatcher.delivery d set failed_keys = d.failed_keys || j.message_key
    from judged j where d.id = j.id and j.is_ambiguous and j.new_state = j.old_state
), changed as (
    update dispatcher.delivery d
    set state = j.new_state,
        message_key = case when j.new_state = 'waiting' then null else coalesce(d.message_key, j.message_key) end,
        failed_keys = case when j.new_state in ('waiting', 'failed') then d.failed_keys || j.message_key
            else d.failed_keys end,
        error_code = case when j.new_state in ('waiting', 'failed') then coalesce(j.error_code, d.error_code) end,
        attempt = d.attempt + (j.new_state = 'waiting' and j.waits_for not in ('slower', 'sender', 'template'))::int,
        due_at = case when j.new_state = 'waiting' then clock_timestamp() + make_interval(secs => j.delay) end,
        waits_for = case when j.new_state = 'waiting' then j.waits_for end,
        answer_by = null, unknown_at = null,
        content = case when j.new_state = 'waiting' then d.content end
    from judged j where d.id = j.id and j.new_state <> j.old_state
    {_RECORD_REFUSALS.format(codes="$9")}, continued as (
    update dispatcher.broadcast b set finished_at = null
    where b.finished_at is not null and b.id in (select broadcast from changed where new_state = 'waiting')
    returning b.id
), failed as (
    select c.broadcast, b.template, c.error_code as code, array_agg(c.id) as deliveries
    from changed c left join dispatcher.broadcast b on b.id = c.broadcast
    where c.new_state in ('waiting', 'failed') group by 1, 2, 3
)
select {_REOPEN_AND_COUNT.format(slot="$8")},
    -- Only a status of the newest message shows the progress of the stream.
    (select dispatcher.note_stream($10, $11, max(claimed_at))
        from locked l join updates n on l.id = n.id where coalesce(old_key = n.message_key, claim = 1)) as noted,
    (select count(*) from locked) as matched, (select json_agg(f) from failed f)::text as failures,
    array_agg(distinct broadcast) filter (where broadcast is not null and new_state in ('sent', 'delivered')
        and old_state in ('claimed', 'unknown', 'accepted')) as reached
from changed where (select count(*) from continued) >= 0 -- runs first: reopen_follow_ups may update the same rows
"""

_MARK_UNKNOWN = f"""
with lost as (
    select id from dispatcher.delivery where answer_by <= statement_timestamp() order by id limit 1000
    for update skip locked
), changed as (
    update dispatcher.delivery d set state = 'unknown', unknown_at = clock_timestamp(), answer_by = null
    from lost where d.id = lost.id {_RETURN_AND_COUNT.format(old="claimed", slot="$1")}"""

# A missing status is proof only if the stream has passed the message by the length of a request; checked again for each
# resend, and only a limited number of times. After a restore, statuses that had arrived are missing.
_REQUEUE_UNKNOWN = f"""
with absent as (
    select d.id from dispatcher.delivery d, dispatcher.passed($1, $2, $3) passed
    where d.unknown_at is not null and d.resends < $5 and not {MAY_BE_LOST.format("d.asked_at")}
        and d.claimed_at + make_interval(secs => $3) < passed
        and d.claimed_at < clock_timestamp() - make_interval(secs => $2)
    order by d.id limit 1000 for update of d skip locked
), changed as (
    update dispatcher.delivery d
    set state = 'waiting', due_at = clock_timestamp(), waits_for = 'rate', unknown_at = null, resends = d.resends + 1,
        attempt = d.attempt + 1
    from absent where d.id = absent.id {_RETURN_AND_COUNT.format(old="unknown", slot="$4")}"""

_UNREPORTED_REFUSALS = """
select delivery, subscriber, code from dispatcher.refusal where told_at is null order by delivery limit 100
"""


class LedgerResults(LedgerClaims):
    """Claims and their results."""

    async def record(self, records: Sequence[Record]) -> None:
        columns = extract_columns(records, *Record._fields)
        await self.database.fetchval(_RECORD, *columns, self.slot, RECIPIENT_CODES)

    async def apply_statuses(self, updates: Sequence[StatusUpdate], at: datetime | None = None) -> AppliedStatuses:
        """Advance rows by Meta's statuses, received at `at`, and record the progress of their stream."""
        columns = extract_columns(updates, "delivery", "state", "message_key", "error_code", "attempts")
        delays = [msgspec.json.encode(update.delays).decode() for update in updates]
        columns += delays, [update.waits_for for update in updates]
        row = await self.database.fetchrow(_APPLY_STATUSES, *columns, self.slot, RECIPIENT_CODES, self.number, at)
        failures = msgspec.json.decode(row["failures"] or "[]", type=list[StatusFailure])
        return AppliedStatuses(row["changed"], len(updates) - row["matched"], failures, row["reached"] or [])

    async def mark_unknown(self) -> int:
        return int(await self.database.fetchval(_MARK_UNKNOWN, self.slot))

    async def requeue_unknown(self, grace_seconds: float, margin_seconds: float) -> int:
        """Requeue deliveries that the stream of statuses has passed without a status, at most MAX_RESENDS times."""
        arguments = (self.number, grace_seconds, margin_seconds, self.slot, MAX_RESENDS)
        return int(await self.database.fetchval(_REQUEUE_UNKNOWN, *arguments))

    async def fetch_unreported_refusals(self) -> list[DeliveryRefused]:
        return [DeliveryRefused(**row) for row in await self.database.fetch(_UNREPORTED_REFUSALS)]

    async def mark_refusals_reported(self, refusals: Sequence[DeliveryRefused]) -> None:
        statement = "update dispatcher.refusal set told_at = clock_timestamp() where delivery = any($1::uuid[])"
        await self.database.fetchval(statement, [refusal.delivery for refusal in refusals])
