"""The ledger in PostgreSQL."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.dispatcher.adapters import ledger_claims, ledger_news
from services.dispatcher.domain.answers import Record
from services.dispatcher.domain.content import reply_body
from services.dispatcher.domain.states import State
from services.dispatcher.ports import (
    AppliedStatuses,
    Batch,
    Claim,
    Origin,
    Outstanding,
    Progress,
    StatusNews,
)
from shared.contracts.dispatch import BroadcastBatch, Recipient, ReplyRequested, Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Address, AddressKind, Lane
from shared.database.pool import Database


class PostgresLedger:
    """`number` is the sending number's id at Meta, `slot` spreads the counters of several replicas."""

    def __init__(self, database: Database, *, number: str, slot: int) -> None:
        self._database = database
        self._number = number
        self._slot = slot

    async def ensure_partitions(self) -> None:
        """Make sure that the ledger has room for the coming weeks."""
        async with self._database.transaction() as connection:
            await connection.execute("select dispatcher.ensure_partitions()")

    async def register(self, batch: BroadcastBatch, content: Mapping[str, Any]) -> None:
        """Know the broadcast, and how far its audience has been read."""
        expanded = batch.offset + len(batch.recipients)
        async with self._database.transaction() as connection:
            await connection.execute(
                ledger_claims.REGISTER,
                batch.broadcast,
                batch.notice,
                batch.revision,
                batch.topic,
                batch.lane.value,
                _json(content),
                batch.published_at,
                batch.expires_at,
                expanded if batch.last else None,
                expanded,
            )

    async def claim_batch(self, batch: Batch, limit: int) -> list[Claim]:
        """Claim up to `limit` of the next recipients; those who may not get it are recorded as such."""
        message, recipients = batch.message, batch.next(limit)
        ids = [delivery_id(message.broadcast, recipient.subscriber) for recipient in recipients]
        claimed_at = asyncio.get_running_loop().time()
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                ledger_claims.CLAIM_BATCH, ids, *_columns(recipients), message.broadcast, self._slot
            )
        mine = {row["id"] for row in rows}
        return [
            _batch_claim(batch, delivery, recipient.address, claimed_at)
            for delivery, recipient in zip(ids, recipients, strict=True)
            if delivery in mine
        ]

    async def claim_replies(self, replies: Sequence[tuple[Origin, ReplyRequested, datetime]]) -> list[Claim]:
        """Claim replies; what they withdraw is suppressed in the same transaction."""
        withdrawals = [reply.withdrawal for _, reply, _ in replies if reply.withdrawal]
        claims = {reply.reply: _reply_claim(origin, reply, asked) for origin, reply, asked in replies}
        async with self._database.transaction() as connection:
            if withdrawals:
                await connection.execute(ledger_claims.SUPPRESS, *_withdrawal_columns(withdrawals))
            rows = await connection.fetch(ledger_claims.CLAIM_REPLIES, *_reply_columns(claims.values()))
        return [claims[row["id"]] for row in rows]

    async def due_lanes(self) -> set[Lane]:
        """The lanes that have a waiting delivery whose time has come."""
        async with self._database.connection() as connection:
            return {Lane(row["lane"]) for row in await connection.fetch(ledger_claims.DUE_LANES)}

    async def claim_due(self, lane: Lane, limit: int) -> list[Claim]:
        """Claim waiting deliveries whose time has come, oldest first."""
        claimed_at = asyncio.get_running_loop().time()
        async with self._database.transaction() as connection:
            rows = await connection.fetch(ledger_claims.CLAIM_DUE, lane.value, limit, self._slot)
        return [_due_claim(row, claimed_at) for row in rows]

    async def record(self, records: Sequence[Record]) -> None:
        """Write down what became of claims, all in one transaction."""
        async with self._database.transaction() as connection:
            await connection.execute(ledger_news.RECORD, *_record_columns(records), self._slot)

    async def apply_statuses(self, news: Sequence[StatusNews]) -> AppliedStatuses:
        """Advance rows by what Meta reports, and note how far the stream of statuses has come."""
        columns = (
            [item.delivery for item in news],
            [item.state.value for item in news],
            [item.message_key for item in news],
            [item.error_code for item in news],
        )
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(ledger_news.APPLY_STATUSES, *columns, self._slot)
            assert row is not None  # noqa: S101 - a select without from has one row
            if row["through"] is not None:
                await connection.execute(ledger_news.MARK_STREAM, self._number, row["through"])
        return AppliedStatuses(changed=row["changed"], unmatched=len(news) - row["matched"])

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """From the commit on nothing is claimed that the withdrawal covers."""
        async with self._database.transaction() as connection:
            await connection.execute(ledger_claims.SUPPRESS, *_withdrawal_columns([withdrawal]))

    async def cancel(self, broadcast: UUID, reason: str) -> None:
        """From the commit on nothing of this broadcast is claimed."""
        async with self._database.transaction() as connection:
            await connection.execute(ledger_news.CANCEL, broadcast, reason)

    async def mark_unknown(self, older_than_seconds: float) -> int:
        """Claims that nobody can be working on any more: their outcome is unknown."""
        async with self._database.transaction() as connection:
            count: int = await connection.fetchval(ledger_news.MARK_UNKNOWN, older_than_seconds, self._slot)
            return count

    async def release_unknown(self, grace_seconds: float, margin_seconds: float) -> int:
        """Give back, once, what the stream of statuses has passed without a word."""
        async with self._database.transaction() as connection:
            count: int = await connection.fetchval(
                ledger_news.RELEASE_UNKNOWN, self._number, grace_seconds, margin_seconds, self._slot
            )
            await connection.execute(ledger_news.FORGET_STREAM)
            return count

    async def progress(self) -> list[Progress]:
        """Broadcasts that run and of which nobody told the progress for a second."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(ledger_news.PROGRESS)
        return [_progress(list(group)) for _, group in groupby(rows, key=lambda row: row["id"])]

    async def finish(self, broadcast: UUID) -> None:
        """A broadcast of which nothing waits any more."""
        async with self._database.transaction() as connection:
            await connection.execute(ledger_news.FINISH, broadcast)

    async def outstanding(self) -> Outstanding:
        """What still waits, and what nobody accounts for."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(ledger_news.OUTSTANDING)
        waiting = {Lane(row["lane"]): int(row["waiting"] or 0) for row in rows}
        return Outstanding(waiting, sum(int(row["unaccounted"] or 0) for row in rows))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _columns(recipients: Sequence[Recipient]) -> tuple[list[Any], ...]:
    return (
        [recipient.subscriber for recipient in recipients],
        [recipient.sequence for recipient in recipients],
        [recipient.address.kind.value for recipient in recipients],
        [recipient.address.index for recipient in recipients],
        [recipient.address.sealed for recipient in recipients],
    )


def _withdrawal_columns(withdrawals: Iterable[Withdrawal]) -> tuple[list[Any], ...]:
    listed = list(withdrawals)
    return (
        [withdrawal.subscriber for withdrawal in listed],
        [withdrawal.topic or "" for withdrawal in listed],
        [withdrawal.sequence for withdrawal in listed],
    )


def _reply_columns(claims: Iterable[Claim]) -> tuple[list[Any], ...]:
    listed = list(claims)
    return (
        [claim.delivery for claim in listed],
        [claim.address.kind.value for claim in listed],
        [claim.address.index for claim in listed],
        [claim.address.sealed for claim in listed],
        [_json(claim.content) for claim in listed],
        [claim.asked_at for claim in listed],
        [claim.expires_at for claim in listed],
    )


def _record_columns(records: Sequence[Record]) -> tuple[list[Any], ...]:
    return (
        [record.delivery for record in records],
        [record.state.value for record in records],
        [record.message_key for record in records],
        [record.error_code for record in records],
        [record.due_at for record in records],
        [record.attempt for record in records],
        [record.attempted for record in records],
    )


def _batch_claim(batch: Batch, delivery: UUID, address: Address, claimed_at: float) -> Claim:
    return Claim(
        delivery=delivery,
        lane=batch.message.lane,
        address=address,
        content=batch.content,
        attempt=1,
        asked_at=batch.message.published_at,
        expires_at=batch.message.expires_at,
        claimed_at=claimed_at,
        origin=batch.origin,
    )


def _reply_claim(origin: Origin, reply: ReplyRequested, asked_at: datetime) -> Claim:
    return Claim(
        delivery=reply.reply,
        lane=Lane.REPLY,
        address=reply.recipient,
        content=reply_body(reply.text, reply.buttons, reply.menu),
        attempt=1,
        asked_at=asked_at,
        expires_at=reply.expires_at,
        claimed_at=asyncio.get_running_loop().time(),
        origin=origin,
    )


def _due_claim(row: asyncpg.Record, claimed_at: float) -> Claim:
    kind = AddressKind(row["address_kind"])
    return Claim(
        delivery=row["id"],
        lane=Lane(row["lane"]),
        address=Address(kind=kind, index=row["address_index"], sealed=row["address_sealed"]),
        content=msgspec.json.decode(row["content"]),
        attempt=row["attempt"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        claimed_at=claimed_at,
    )


def _progress(rows: Sequence[asyncpg.Record]) -> Progress:
    states = {State(row["state"]): row["deliveries"] for row in rows if row["deliveries"]}
    audience = rows[0]["audience"]
    settled = sum(states.values()) - sum(states.get(state, 0) for state in (State.WAITING, State.CLAIMED))
    unknown = states.get(State.UNKNOWN, 0)
    return Progress(rows[0]["id"], audience, states, finished=audience == settled and not unknown)
