"""The ledger in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg

from services.dispatcher.adapters import ledger_claims, ledger_follow_ups, ledger_news
from services.dispatcher.adapters import ledger_rows as rows_of
from services.dispatcher.domain.answers import Record
from services.dispatcher.domain.errors import RECIPIENT_CODES
from services.dispatcher.ports import (
    AppliedStatuses,
    Batch,
    Claim,
    Course,
    Origin,
    Outstanding,
    Progress,
    Refusal,
    StatusNews,
)
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested, Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane
from shared.database.pool import Connection, Database

MOST_RESENT = 3


@dataclass
class Counting:
    """A transaction that counts whom it reaches; an allowance of None is no limit."""

    connection: Connection
    counts_people: bool = False
    counts_messages: bool = False
    allowance: tuple[int | None, int | None] = (None, None)

    async def count(self, indexes: Sequence[bytes]) -> None:
        """Note the people that were claimed for the first time."""
        if indexes and self.counts_people:
            await self.connection.execute(ledger_claims.REACHED, indexes)
        if indexes and self.counts_messages:
            await self.connection.execute(ledger_claims.SENT_THIS_MONTH, len(indexes))


class PostgresLedger:
    """`number` is the sending number's id at Meta, `slot` spreads the counters of several replicas.

    `limited` says whether people a day or messages a month are limited; without, claims need not be made one
    after the other.
    """

    def __init__(self, database: Database, *, number: str, slot: int, limited: bool = True) -> None:
        self._database = database
        self._number = number
        self._slot = slot
        self.limited = limited

    async def ensure_partitions(self) -> None:
        """Make sure that the ledger has room for the coming weeks."""
        async with self._database.connection() as connection:
            await connection.execute("select dispatcher.ensure_partitions()")

    async def register(self, batch: BroadcastBatch, content: Mapping[str, Any]) -> None:
        """Know the broadcast, and how far its audience has been read."""
        expanded = batch.offset + len(batch.recipients)
        async with self._database.connection() as connection:
            await connection.execute(
                ledger_claims.REGISTER,
                batch.broadcast,
                batch.notice,
                batch.revision,
                batch.topic,
                batch.lane.value,
                batch.template.name,
                rows_of.as_json(content),
                batch.published_at,
                batch.expires_at,
                expanded if batch.last else None,
                expanded,
                *rows_of.timing(batch.hours, batch.spacing_seconds),
            )

    async def begin_follow_up(self, message: BroadcastFollowUp, content: Mapping[str, Any]) -> None:
        """Know the broadcast and whom it follows; its recipients come by and by."""
        async with self._database.transaction() as connection:
            await ledger_follow_ups.begin(connection, message, content)

    async def extend_follow_up(self, most: int) -> bool:
        """Up to `most` more recipients of one follow-up; False if there is nothing to do just now."""
        async with self._database.transaction() as connection:
            return await ledger_follow_ups.extend(connection, self._slot, most)

    async def claim_batch(self, batch: Batch, limit: int) -> list[Claim]:
        """Claim up to `limit` of the next recipients; those who may not get it are recorded as such."""
        message, recipients = batch.message, batch.next(limit)
        ids = [delivery_id(message.broadcast, recipient.subscriber) for recipient in recipients]
        ordinals = list(range(message.offset + batch.position, message.offset + batch.position + len(ids)))
        claimed_at = asyncio.get_running_loop().time()
        columns = (ids, *rows_of.recipient_columns(recipients), ordinals)
        async with self._counting() as counting:
            rows = await counting.connection.fetch(
                ledger_claims.CLAIM_BATCH, *columns, message.broadcast, self._slot, *counting.allowance
            )
            await counting.count(rows_of.claimed_indexes(rows, ids, recipients))
        mine = {row["id"] for row in rows}
        return [
            rows_of.batch_claim(batch, delivery, recipient.address, claimed_at)
            for delivery, recipient in zip(ids, recipients, strict=True)
            if delivery in mine
        ]

    async def claim_replies(self, replies: Sequence[tuple[Origin, ReplyRequested, datetime]]) -> list[Claim]:
        """Claim replies; what they withdraw is suppressed in the same transaction."""
        withdrawals = [reply.withdrawal for _, reply, _ in replies if reply.withdrawal]
        claims = {reply.reply: rows_of.reply_claim(origin, reply, asked) for origin, reply, asked in replies}
        async with self._database.transaction() as connection:
            if withdrawals:
                await connection.execute(ledger_claims.SUPPRESS, *rows_of.withdrawal_columns(withdrawals))
            rows = await connection.fetch(ledger_claims.CLAIM_REPLIES, *rows_of.reply_columns(claims.values()))
        return [claims[row["id"]] for row in rows]

    async def due_lanes(self) -> set[Lane]:
        """The lanes that have a waiting delivery whose time has come."""
        async with self._database.connection() as connection:
            return {Lane(row["lane"]) for row in await connection.fetch(ledger_claims.DUE_LANES)}

    async def claim_due(self, lane: Lane, limit: int) -> list[Claim]:
        """Claim waiting deliveries whose time has come, oldest first."""
        claimed_at = asyncio.get_running_loop().time()
        if lane is Lane.REPLY:
            async with self._database.connection() as connection:
                rows = await connection.fetch(ledger_claims.CLAIM_DUE_REPLIES, limit)
        else:
            rows = await self._claim_due_broadcasts(lane, limit)
        return [rows_of.due_claim(row, claimed_at) for row in rows]

    async def _claim_due_broadcasts(self, lane: Lane, limit: int) -> list[asyncpg.Record]:
        async with self._counting() as counting:
            rows = await counting.connection.fetch(
                ledger_claims.CLAIM_DUE, lane.value, limit, self._slot, *counting.allowance
            )
            await counting.count([row["address_index"] for row in rows if row["attempt"] == 1])
            return rows

    @asynccontextmanager
    async def _counting(self) -> AsyncIterator["Counting"]:
        """For claims of broadcasts: one transaction after the other if people or messages are limited.

        Else each statement stands for itself, as it is committed by itself.
        """
        if not self.limited:
            async with self._database.connection() as connection:
                yield Counting(connection)
            return
        async with self._database.transaction() as connection:
            limits = await connection.fetchrow(ledger_claims.LOCK_NUMBER, self._number)
            allowance = await connection.fetchrow(ledger_claims.ALLOWANCE, self._number)
            assert limits is not None  # noqa: S101 - set_up made the row, and nobody may delete it
            assert allowance is not None  # noqa: S101
            yield Counting(
                connection,
                counts_people=limits["people_a_day"] is not None,
                counts_messages=limits["messages_a_month"] is not None,
                allowance=(allowance["people"], allowance["messages"]),
            )

    async def record(self, records: Sequence[Record]) -> None:
        """Write down what became of claims, all in one transaction."""
        async with self._database.connection() as connection:
            columns = rows_of.record_columns(records)
            await connection.execute(ledger_news.RECORD, *columns, self._slot, RECIPIENT_CODES)

    async def apply_statuses(self, news: Sequence[StatusNews]) -> AppliedStatuses:
        """Advance rows by what Meta reports, and note how far the stream of statuses has come."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                ledger_news.APPLY_STATUSES, *rows_of.news_columns(news), self._slot, RECIPIENT_CODES
            )
            assert row is not None  # noqa: S101 - a select without from has one row
            if row["through"] is not None:
                await connection.execute(ledger_news.MARK_STREAM, self._number, row["through"])
        return AppliedStatuses(changed=row["changed"], unmatched=len(news) - row["matched"])

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """From the commit on nothing is claimed that the withdrawal covers."""
        async with self._database.connection() as connection:
            await connection.execute(ledger_claims.SUPPRESS, *rows_of.withdrawal_columns([withdrawal]))

    async def cancel(self, broadcast: UUID, reason: str) -> None:
        """From the commit on nothing of this broadcast is claimed."""
        async with self._database.connection() as connection:
            await connection.execute(ledger_news.CANCEL, broadcast, reason)

    async def mark_unknown(self, older_than_seconds: float) -> int:
        """Claims that nobody can be working on any more: their outcome is unknown."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(ledger_news.MARK_UNKNOWN, older_than_seconds, self._slot)
            return count

    async def release_unknown(self, grace_seconds: float, margin_seconds: float) -> int:
        """Give back what the stream of statuses has passed without a word, at most MOST_RESENT times each."""
        async with self._database.transaction() as connection:
            count: int = await connection.fetchval(
                ledger_news.RELEASE_UNKNOWN, self._number, grace_seconds, margin_seconds, self._slot, MOST_RESENT
            )
            return count

    async def progress(self) -> list[Progress]:
        """Broadcasts that run and of which nobody told the progress for a second."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(ledger_news.PROGRESS)
        return [rows_of.progress_of(list(group)) for _, group in groupby(rows, key=lambda row: row["id"])]

    async def course(self, broadcast: UUID) -> Course | None:
        """None for a broadcast that the ledger does not know, or not any more."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(ledger_news.COURSE, broadcast)
        return Course(rows_of.progress_of(rows), rows[0]["cancelled"]) if rows else None

    async def finish(self, broadcast: UUID) -> None:
        """A broadcast of which nothing waits any more."""
        async with self._database.connection() as connection:
            await connection.execute(ledger_news.FINISH, broadcast)

    async def outstanding(self) -> Outstanding:
        """What still waits, and what nobody accounts for."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(ledger_news.OUTSTANDING)
        waiting = {Lane(row["lane"]): int(row["waiting"] or 0) for row in rows}
        unaccounted = sum(int(row["unaccounted"] or 0) for row in rows)
        return Outstanding(waiting, unaccounted, max(row["unknown_seconds"] for row in rows))

    async def untold_refusals(self) -> list[Refusal]:
        """Subscribers whom Meta will not reach and of whom subscriptions has not been told."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(ledger_news.UNTOLD_REFUSALS)
        return [Refusal(row["delivery"], row["subscriber"], row["code"]) for row in rows]

    async def refusals_told(self, refusals: Sequence[Refusal]) -> None:
        """Remember that they have been told."""
        async with self._database.connection() as connection:
            await connection.execute(ledger_news.REFUSALS_TOLD, [refusal.delivery for refusal in refusals])

    async def hold_template(self, template: str, reason: str) -> None:
        """From the commit on broadcasts with this template wait."""
        async with self._database.connection() as connection:
            await connection.execute(ledger_news.HOLD_TEMPLATE, template, reason)

    async def tidy(self, most: int) -> int:
        """End, park or wake up to `most` waiting deliveries of each kind, and say how many that were."""
        async with self._database.connection() as connection:
            touched: int = await connection.fetchval("select dispatcher.tidy($1, $2)", self._slot, most)
            return touched
