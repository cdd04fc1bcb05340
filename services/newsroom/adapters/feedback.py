"""Feedback of citizens in PostgreSQL, as editors read it."""

from collections.abc import Sequence

from services.newsroom.domain.feedback import FeedbackEntry, FeedbackFilter, FeedbackSummary
from shared.database.pool import Database

# The words are looked for as they are: neither % nor _ means anything.
_CHOSEN = """
    ($1 = '' or f.topic = $1) and ($2 = '' or f.kind = $2) and ($3 = '' or strpos(lower(f.text), lower($3)) > 0)
    and ($4::uuid is null or f.broadcast = $4)
"""
_ENTRIES = f"""
    select f.id, f.kind, f.at, coalesce(f.value, '') as value, coalesce(f.text, '') as text, f.topic, f.broadcast,
        b.headline
    from newsroom.feedback f left join newsroom.broadcast b on b.id = f.broadcast
    where {_CHOSEN} order by f.at desc, f.id limit $5
"""  # noqa: S608 - constant parts
_SUMMARY = f"""
    select kind, coalesce(value, '') as value, count(*) as number from newsroom.feedback f
    where {_CHOSEN} group by kind, value
"""  # noqa: S608 - constant parts


class PostgresFeedbackLog:
    """Implementation of ports.FeedbackLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_entries(self, chosen: FeedbackFilter, limit: int) -> Sequence[FeedbackEntry]:
        rows = await self._database.fetch(_ENTRIES, chosen.topic, chosen.kind, chosen.words, chosen.broadcast, limit)
        return [FeedbackEntry(**row) for row in rows]

    async def summarize(self, chosen: FeedbackFilter) -> FeedbackSummary:
        rows = await self._database.fetch(_SUMMARY, chosen.topic, chosen.kind, chosen.words, chosen.broadcast)
        counts = {(row["kind"], row["value"]): row["number"] for row in rows}
        reactions = {value: number for (kind, value), number in counts.items() if kind == "reaction"}
        return FeedbackSummary(
            total=sum(counts.values()),
            texts=sum(number for (kind, _), number in counts.items() if kind == "text"),
            good=counts.get(("rating", "good"), 0),
            bad=counts.get(("rating", "bad"), 0),
            reactions=dict(sorted(reactions.items(), key=lambda each: -each[1])),
        )
