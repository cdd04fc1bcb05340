"""Feedback in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from uuid import UUID

from services.subscriptions.domain.feedback import MAX_SHOWN_FEEDBACK, Feedback, FeedbackKind
from shared.database.pool import Connection, Database

MAX_REACTION_AGE = timedelta(days=14)
MAX_BROADCASTS = 100

# Columns in the order of the fields of Feedback.
_SAVE = """
    insert into subscriptions.feedback (id, kind, at, author, value, said, broadcast_id, topic)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (id) do update set (value, at) = (excluded.value, excluded.at)
"""
# A concurrent erasure waits, and then also deletes what is stored here.
_LOCK_SUBSCRIBER = "select true from subscriptions.subscriber where id = $1 for key share"
_FEEDBACK_OF = """
    select id, kind, value, said as text, broadcast_id as broadcast, topic, at, author from subscriptions.feedback
    where author = any($1) order by at desc, id desc limit $2
"""
_RECENT = """
    select id from subscriptions.broadcast where published_at > $1 and page > 0 order by published_at desc limit $2
"""
_TOPIC = "select topic from subscriptions.broadcast where id = $1"
_ALL_OF = "select id from subscriptions.feedback where author = any($1) order by id"


async def fetch_feedback(connection: Connection, authors: Sequence[bytes]) -> tuple[Feedback, ...]:
    """Return feedback by these authors, newest first; at most MAX_SHOWN_FEEDBACK."""
    rows = await connection.fetch(_FEEDBACK_OF, authors, MAX_SHOWN_FEEDBACK)
    return tuple([Feedback(**{**row, "kind": FeedbackKind(row["kind"])}) for row in rows])


async def list_feedback(connection: Connection, authors: Sequence[bytes]) -> tuple[UUID, ...]:
    """Return the ids of all feedback by these authors."""
    return tuple([row["id"] for row in await connection.fetch(_ALL_OF, authors)])


async def save_feedback(connection: Connection, feedback: Feedback) -> None:
    """Store an entry, or its new value."""
    await connection.execute(_SAVE, *astuple(feedback))


class PostgresFeedbackRepository:
    """Implementation of ports.FeedbackRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_recent_broadcasts(self, now: datetime) -> tuple[UUID, ...]:
        rows = await self._database.fetch(_RECENT, now - MAX_REACTION_AGE, MAX_BROADCASTS)
        return tuple([row["id"] for row in rows])

    async def find_topic(self, broadcast: UUID) -> str | None:
        topic: str | None = await self._database.fetchval(_TOPIC, broadcast)
        return topic

    async def save(self, feedback: Feedback, subscriber: UUID) -> bool:
        async with self._database.transaction() as connection:
            if await connection.fetchval(_LOCK_SUBSCRIBER, subscriber) is None:
                return False
            if feedback.value or feedback.text:
                await save_feedback(connection, feedback)
            else:
                await connection.execute("delete from subscriptions.feedback where id = $1", feedback.id)
        return True
