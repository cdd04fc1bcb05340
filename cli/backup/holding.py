"""After a restore: pause sending, and hold for an operator what may have been sent without a record.

The database lags behind reality. What was waiting or at Meta in the backup may have been sent since; what began later
may have left no trace. The former becomes unknown here, and the dispatcher treats everything that began before
`lost_at` and has no row as unknown, too. Unknown outcomes of that time are never sent again automatically.
"""

from datetime import datetime

import asyncpg
import msgspec

from shared.contracts.events import Problem
from shared.contracts.hours import LOCAL_ZONE
from shared.contracts.notices import NoticeWithdrawn

_MARK = """
insert into dispatcher.restore as r (lost_at, saved_at) values (coalesce($1, clock_timestamp()), $2)
on conflict (lost_at) do update set saved_at = least(r.saved_at, excluded.saved_at), keys_confirmed_at = null
returning lost_at
"""
_PAUSE = "select dispatcher.pause_sending($1, null)"
# Keeps a service that still runs from claiming in between.
_LOCK = "lock table dispatcher.delivery in exclusive mode"
# The dispatcher may lack what subscriptions has stored: messages between them are lost with a broker. The topics of a
# person are rows of subscriptions; an entry of the consent record has only those that it gave or withdrew.
_SUPPRESS = """
with sent as materialized (
    select distinct topic from dispatcher.broadcast
), ended as (
    select p.id as subscriber, '' as topic, p.sequence from subscriptions.subscriber p where p.state <> 'subscribed'
    union all
    select p.id, sent.topic, p.sequence from subscriptions.subscriber p, sent
    where p.state = 'subscribed' and not exists (
        select from subscriptions.subscription t where t.topic = sent.topic and t.subscriber_id = p.id)
    union all
    select c.subscriber_id, '', 2147483647 from subscriptions.consent c where c.event = 'erased'
)
insert into dispatcher.suppression as s (subscriber, topic, sequence)
select subscriber, topic, max(sequence) from ended group by subscriber, topic
on conflict (subscriber, topic) do update set sequence = excluded.sequence, suppressed_at = excluded.suppressed_at
where s.sequence < excluded.sequence
"""
# By their ids, since subscriptions has no address of theirs any more: those of replies are kept for a day anyway.
_ERASE = """
insert into dispatcher.erasure (id, subscribers, indexes)
select d.subscriber, array[d.subscriber], '{}'
from dispatcher.delivery d join subscriptions.consent c on c.subscriber_id = d.subscriber and c.event = 'erased'
where d.address_index <> '' group by d.subscriber
on conflict do nothing
"""
_ERASE_FEEDBACK = """
delete from newsroom.feedback f where not exists (select from subscriptions.feedback s where s.id = f.id)
"""
_CANCEL = """
insert into dispatcher.cancellation (broadcast, reason)
select id, coalesce(reason, 'withdrawn') from subscriptions.broadcast where state = 'cancelled'
on conflict do nothing
"""
# Recipients held now were not read for the follow-ups under way, so these are read again from the beginning.
_READ_AGAIN = """
update dispatcher.follow_up set since = '-infinity', position = dispatcher.first_id(follows), last = false
where done_at is null
"""
_HOLD = """
with chosen as (
    select d.id, d.state as old_state from dispatcher.delivery d
    where d.waits_for is not null or d.answer_by is not null
), changed as (
    update dispatcher.delivery d
    set state = 'unknown', unknown_at = clock_timestamp(), due_at = null, waits_for = null, answer_by = null
    from chosen c where d.id = c.id
    returning case when d.subscriber is not null then d.source end as source, c.old_state, d.state
)
select dispatcher.count_changes(32, array_agg(source), array_agg(old_state), array_agg(state)) from changed
"""
# The author decides whether to publish again what no event has confirmed. A withdrawal may be repeated, and has to be;
# so may what subscriptions has stored: it answers once more, the same. A draft stays published if another publication
# of its revision has taken effect.
_RETURN = """
with unconfirmed as (
    select p.id, p.body ->> 'type' = $2 or exists (
        select from subscriptions.notice_event e
        where e.source = p.body ->> 'source' and e.event = p.body ->> 'id') as repeated
    from newsroom.publication p where p.state <> 'rejected' and p.confirmed_at is null
), held as (
    update newsroom.publication p
    set state = case when u.repeated then 'waiting' else 'rejected' end,
        answered_at = case when not u.repeated then clock_timestamp() end,
        problems = case when not u.repeated then $1::text::jsonb end
    from unconfirmed u where p.id = u.id
    returning p.id, p.draft, p.revision, u.repeated
), returned as (
    update newsroom.draft d set state = 'returned', changed_at = clock_timestamp()
    from held h where d.id = h.draft and not h.repeated and d.state = 'published' and not exists (
        select from newsroom.publication p left join held using (id)
        where p.draft = h.draft and p.revision = h.revision and p.body ->> 'type' <> $2
            and (p.confirmed_at is not null or held.repeated))
)
select count(*)::int from held where not repeated
"""
# Messages at the broker may be lost with it. A broadcast whose recipients are not all in the ledger is expanded again:
# those without a row are held there, the others are recognised. People who have unsubscribed since are not among them.
_EXPAND_AGAIN = """
with again as (
    update subscriptions.broadcast s
    set state = 'expanding', position = '00000000-0000-0000-0000-000000000000', page = 0, audience = 0,
        read_to_end = false
    where s.state in ('expanding', 'expanded') and s.expires_at > clock_timestamp() and not exists (
        select from dispatcher.broadcast b where b.id = s.id and (b.finished_at is not null or b.audience <= (
            select sum(n.deliveries) from dispatcher.broadcast_count n where n.broadcast = b.id)))
    returning id
), dropped as (
    delete from subscriptions.pending_page where broadcast_id in (select id from again)
), recounted as (
    update dispatcher.broadcast set audience = null, expanded = 0
    where id in (select id from again) and finished_at is null
)
select count(*)::int from again
"""
# The newsroom may have missed the end of a broadcast, which nothing else repeats: the dispatcher reports it again.
_REPORT_AGAIN = "update dispatcher.broadcast set progress = null where finished_at is not null"
# Accounts disabled since are enabled again, but at least have to log in.
_LOG_OUT = "update newsroom.session set revoked_at = now() where revoked_at is null"
_COUNTS = """
select count(*) filter (where subscriber is null)::int as replies,
    count(*) filter (where subscriber is not null)::int as deliveries,
    count(distinct source) filter (where subscriber is not null)::int as broadcasts,
    (select count(*)::int from subscriptions.broadcast where state = 'scheduled') as scheduled
from dispatcher.delivery where unknown_at is not null
"""


class HeldWork(msgspec.Struct, frozen=True, kw_only=True):
    """Work for an operator after a restore; `returned` counts notices that went back to their editors."""

    saved_at: datetime
    lost_at: datetime
    replies: int
    deliveries: int
    broadcasts: int
    scheduled: int
    unfinished: int
    returned: int


async def hold_everything(owner: asyncpg.Connection, saved_at: datetime, lost_at: datetime | None = None) -> HeldWork:
    """Pause and hold inside the caller's transaction. Without `lost_at` anything until now may have been sent."""
    effective_lost_at = await owner.fetchval(_MARK, lost_at, saved_at)
    restored = (
        f"Die Datenbank wurde aus der Sicherung vom {saved_at.astimezone(LOCAL_ZONE):%d.%m.%Y, %H:%M} Uhr"
        " wiederhergestellt"
    )
    advice = "vor dem Fortsetzen „kreisfunk keys status“ und „kreisfunk deliveries unknown“ ansehen"
    await owner.fetchval(_PAUSE, f"{restored}; {advice}")
    await owner.execute(_LOCK)
    await owner.fetchval(_HOLD)
    for statement in (_SUPPRESS, _CANCEL, _READ_AGAIN, _LOG_OUT, _ERASE, _ERASE_FEEDBACK, _REPORT_AGAIN):
        await owner.execute(statement)
    unfinished = await owner.fetchval(_EXPAND_AGAIN)
    text = (
        f"{restored}: Vielleicht ging diese Meldung schon hinaus. Bitte prüfen, und nur dann erneut veröffentlichen,"
        " wenn nicht."
    )
    problems = msgspec.json.encode([Problem(field="time", problem=text)]).decode()
    returned = await owner.fetchval(_RETURN, problems, NoticeWithdrawn.TYPE)
    (counts,) = await owner.fetch(_COUNTS)
    return HeldWork(saved_at=saved_at, lost_at=effective_lost_at, unfinished=unfinished, returned=returned, **counts)
