"""Feedback and anonymous counts of subscriptions in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.newsroom.domain.feedback import FeedbackEntry, FeedbackFilter, FeedbackSummary
from services.newsroom.domain.service_level import BroadcastRun
from services.newsroom.domain.statistics import (
    RESPONSE_HOURS,
    WHOLE_CHANNEL,
    BroadcastResponse,
    StatisticsPeriod,
    SubscriptionCounts,
    TopicAudience,
)
from shared.contracts.message import Lane
from shared.database.pool import Database

_SUBSCRIPTION_COUNTS = """
    select (h.hour at time zone 'Europe/Berlin')::date as day, sum(h.started)::int as started,
        sum(h.ended)::int as ended
    from newsroom.subscription_hour h
    where h.topic = $1 and h.hour >= $2::date - 1 and (h.hour at time zone 'Europe/Berlin')::date between $2 and $3
    group by 1 order by 1
"""
_UNSUBSCRIBED = """
    select h.topic, sum(h.ended)::int as number from newsroom.subscription_hour h
    where h.hour >= $1::date - 1 and (h.hour at time zone 'Europe/Berlin')::date between $1 and $2 group by h.topic
"""
_AUDIENCES = "select day, topic, people from newsroom.topic_audience where day between $1 and $2 order by day, topic"
_COUNTED = "select topic from newsroom.topic_audience where counted_at > $1 and people > 0"
_RECORD_AUDIENCE = """
    insert into newsroom.topic_audience (day, topic, people, counted_at) values ($1, $2, $3, $4)
    on conflict (day, topic) do update set people = excluded.people, counted_at = excluded.counted_at
"""
# The hour of the start counts in full, to include those who leave at once.
_RESPONSES = f"""
    select b.id, b.headline, b.notice, b.revision, b.topic, b.started_at, b.audience as people,
        l.left_topic, l.left_all, f.good, f.bad, f.reactions, f.texts
    from newsroom.broadcast b
    cross join lateral (
        select coalesce(sum(h.ended) filter (where h.topic = b.topic), 0)::int as left_topic,
            coalesce(sum(h.ended) filter (where h.topic = '{WHOLE_CHANNEL}'), 0)::int as left_all
        from newsroom.subscription_hour h
        where h.topic in (b.topic, '{WHOLE_CHANNEL}') and h.hour >= date_trunc('hour', b.started_at, 'UTC')
            and h.hour < b.started_at + interval '{RESPONSE_HOURS} hours') l
    cross join lateral (
        select count(*) filter (where kind = 'rating' and value = 'good')::int as good,
            count(*) filter (where kind = 'rating' and value = 'bad')::int as bad,
            count(*) filter (where kind = 'reaction')::int as reactions,
            count(*) filter (where kind = 'text')::int as texts
        from newsroom.feedback where broadcast = b.id) f
"""  # noqa: S608 - constant parts
_PERIOD_RESPONSES = f"""
    {_RESPONSES}
    where b.started_at >= $1::date - 1 and (b.started_at at time zone 'Europe/Berlin')::date between $1 and $2
        and ($3 = '' or b.topic = $3)
    order by b.started_at desc, b.id limit $4
"""
# A broadcast that expired before its audience was read counts with an audience of 0.
_RUNS = """
    select lane = $2 as is_urgent, coalesce(audience, 0) as people, started_at, reached_at, finished_at
    from newsroom.broadcast b
    where started_at >= $1
        and (audience is distinct from 0 or exists (
            select from newsroom.publication p where p.broadcast = b.id and p.people > 0))
        and (reached_at is not null or cancelled_at is null and coalesce((states ->> 'cancelled')::int, 0) = 0)
"""
# A literal search: % and _ have no special meaning.
_CHOSEN = """
    ($1 = '' or f.topic = $1) and ($2 = '' or f.kind = $2) and ($3 = '' or strpos(lower(f.text), lower($3)) > 0)
    and ($4::uuid is null or f.broadcast = $4)
"""
_ENTRIES = f"""
    select f.id, f.kind, f.at, coalesce(f.value, '') as value, coalesce(f.text, '') as text, f.topic, f.broadcast,
        b.headline, b.revision
    from newsroom.feedback f left join newsroom.broadcast b on b.id = f.broadcast
    where {_CHOSEN} order by f.at desc, f.id limit $5
"""  # noqa: S608 - constant parts
_SUMMARY = f"""
    select kind, coalesce(value, '') as value, count(*) as number from newsroom.feedback f
    where {_CHOSEN} group by kind, value
"""  # noqa: S608 - constant parts


class PostgresStatistics:
    """Log of subscriptions, audiences of topics, and feedback."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_subscription_counts(self, topic: str, period: StatisticsPeriod) -> Sequence[SubscriptionCounts]:
        """Return starts and ends per day, without days that had none."""
        rows = await self._database.fetch(_SUBSCRIPTION_COUNTS, topic, period.first, period.last)
        return [SubscriptionCounts(**row) for row in rows]

    async def count_unsubscribed(self, period: StatisticsPeriod) -> Mapping[str, int]:
        """Return the number of people who ended each topic."""
        rows = await self._database.fetch(_UNSUBSCRIBED, period.first, period.last)
        return {row["topic"]: row["number"] for row in rows}

    async def list_audiences(self, period: StatisticsPeriod) -> Sequence[TopicAudience]:
        return [TopicAudience(**row) for row in await self._database.fetch(_AUDIENCES, period.first, period.last)]

    async def list_responses(self, period: StatisticsPeriod, topic: str, limit: int) -> Sequence[BroadcastResponse]:
        """Return the reactions to the broadcasts that began in the period, newest first; an empty topic means all."""
        rows = await self._database.fetch(_PERIOD_RESPONSES, period.first, period.last, topic, limit)
        return [BroadcastResponse(**row) for row in rows]

    async def find_response(self, broadcast: UUID) -> BroadcastResponse | None:
        """Return the reactions to a broadcast; None before it has begun."""
        rows = await self._database.fetch(f"{_RESPONSES} where b.id = $1 and b.started_at is not null", broadcast)
        return BroadcastResponse(**rows[0]) if rows else None

    async def list_counted_topics(self, since: datetime) -> Collection[str]:
        """Return the topics counted since then, but not empty ones, so that their first subscriber shows at once."""
        return {row["topic"] for row in await self._database.fetch(_COUNTED, since)}

    async def record_audience(self, audience: TopicAudience, counted_at: datetime) -> None:
        """Record the count, replacing an earlier one of the same day."""
        async with self._database.connection() as connection:
            await connection.execute(_RECORD_AUDIENCE, audience.day, audience.topic, audience.people, counted_at)

    async def list_runs(self, since: datetime) -> Sequence[BroadcastRun]:
        return [BroadcastRun(**row) for row in await self._database.fetch(_RUNS, since, Lane.URGENT)]

    async def list_entries(self, query: FeedbackFilter, limit: int) -> Sequence[FeedbackEntry]:
        rows = await self._database.fetch(_ENTRIES, query.topic, query.kind, query.words, query.broadcast, limit)
        return [FeedbackEntry(**row) for row in rows]

    async def summarize(self, query: FeedbackFilter) -> FeedbackSummary:
        rows = await self._database.fetch(_SUMMARY, query.topic, query.kind, query.words, query.broadcast)
        counts = {(row["kind"], row["value"]): row["number"] for row in rows}
        reactions = {value: number for (kind, value), number in counts.items() if kind == "reaction"}
        return FeedbackSummary(
            total=sum(counts.values()),
            texts=sum(number for (kind, _), number in counts.items() if kind == "text"),
            good=counts.get(("rating", "good"), 0),
            bad=counts.get(("rating", "bad"), 0),
            reactions=dict(sorted(reactions.items(), key=lambda pair: -pair[1])),
        )
