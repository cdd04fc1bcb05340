"""Ledger in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from os import getpid
from socket import gethostname
from typing import Any
from uuid import UUID

from services.dispatcher.adapters import ledger_claims, ledger_results
from services.dispatcher.adapters import ledger_follow_ups as follow_ups
from services.dispatcher.adapters import ledger_rows as row_mapping
from services.dispatcher.domain.errors import RECIPIENT_CODES
from services.dispatcher.domain.send_results import Record
from services.dispatcher.ports import AppliedStatuses, Backlog, Batch, BroadcastProgress, Claim, StatusUpdate, Work
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested, Withdrawal
from shared.contracts.events import DeliveryRefused
from shared.contracts.ids import delivery_id
from shared.contracts.message import Address, Lane
from shared.database.pool import Database
from shared.runtime.clock import Instant

MAX_RESENDS = 3
# Identifies this process to an operator.
REPLICA = f"{gethostname()}, process {getpid()}"


@dataclass(frozen=True)
class PostgresLedger:
    """Ledger of one phone number; `number` is its id at Meta, `slot` spreads the counters of several replicas.

    `limited` is whether people per day or messages per month are limited; if not, claims need not be serialized. A
    claim without a recorded result after `answer_seconds` has an unknown outcome.
    """

    database: Database
    number: str
    slot: int
    limited: bool = True
    answer_seconds: float = 30.0

    async def ensure_partitions(self) -> bool:
        """Create the partitions of the coming weeks; return False if a reader of the whole table blocks it for now."""
        return bool(await self.database.fetchval("select dispatcher.ensure_partitions()"))

    async def find_newest_address(self) -> Address | None:
        """Return the address of a recently recorded delivery, None if there is none."""
        rows = await self.database.fetch(ledger_claims.NEWEST_ADDRESS)
        return row_mapping.read_address(rows[0]) if rows else None

    async def register(self, batch: BroadcastBatch, content: Mapping[str, Any]) -> None:
        """Register the broadcast and how many recipients are known so far."""
        await self.database.fetchval(ledger_claims.REGISTER, *row_mapping.build_broadcast_values(batch, content))

    async def begin_follow_up(self, message: BroadcastFollowUp, content: Mapping[str, Any]) -> None:
        """Register the broadcast and what it follows; recipients are added later. An existing one stays unchanged."""
        async with self.database.transaction() as connection:
            await connection.execute(ledger_claims.REGISTER, *row_mapping.build_broadcast_values(message, content))
            await connection.execute(follow_ups.BEGIN, message.broadcast, message.follows)

    async def extend_follow_up(self, limit: int) -> bool:
        """Add up to `limit` recipients to the unlocked follow-up that waited longest; return False if none is due."""
        async with self.database.transaction() as connection:
            row = await connection.fetchrow(follow_ups.CLAIM_NEXT)
            if row is None:
                return False
            both = (row["broadcast"], row["follows"])
            page = await connection.fetchrow(follow_ups.READ_PAGE, *both, row["position"], limit, self.slot)
            assert page is not None  # noqa: S101 - a count has one row
            if page["found"] == limit and not row["ended"]:
                await connection.execute(follow_ups.SAVE_POSITION, *both, page["position"])
            elif row["last"] or row["ended"]:
                await connection.execute(follow_ups.FINISH, *both)
            else:
                await connection.execute(follow_ups.START_NEXT_ROUND, *both)
        return True

    async def claim_batch(self, batch: Batch, limit: int) -> list[Claim]:
        """Claim up to `limit` of the next recipients; ineligible ones are recorded as such."""
        message, recipients = batch.message, batch.peek_recipients(limit)
        ids = [delivery_id(message.broadcast, recipient.subscriber) for recipient in recipients]
        ordinals = list(range(message.offset + batch.position, message.offset + batch.position + len(ids)))
        claimed_at = Instant.now()
        columns = (ids, *row_mapping.extract_columns(recipients, *row_mapping.RECIPIENT), ordinals)
        more = (message.broadcast, self.slot, self.answer_seconds, self.number if self.limited else None)
        row = await self.database.fetchrow(ledger_claims.CLAIM_BATCH, *columns, *more)
        mine = set(row["mine"] or ())
        return [
            row_mapping.build_batch_claim(batch, delivery, recipient.address, claimed_at)
            for delivery, recipient in zip(ids, recipients, strict=True)
            if delivery in mine
        ]

    async def claim_replies(self, replies: Sequence[tuple[ReplyRequested, datetime]]) -> list[Claim]:
        """Claim replies; their withdrawals are committed in the same transaction."""
        claimed_at = Instant.now()
        claims = {reply.reply: row_mapping.build_reply_claim(reply, asked, claimed_at) for reply, asked in replies}
        withdrawals = [reply.withdrawal for reply, _ in replies if reply.withdrawal]
        columns = (
            *row_mapping.build_reply_columns(claims.values()),
            self.answer_seconds,
            *row_mapping.build_withdrawal_columns(withdrawals),
        )
        rows = await self.database.fetch(ledger_claims.CLAIM_REPLIES, *columns)
        return [claims[row["id"]] for row in rows]

    async def claim_due(self, lane: Lane, limit: int) -> list[Claim]:
        """Claim due deliveries, oldest first."""
        claimed_at = Instant.now()
        if lane is Lane.REPLY:
            rows = await self.database.fetch(ledger_claims.CLAIM_DUE_REPLIES, limit, self.answer_seconds)
        else:
            arguments = (lane.value, limit, self.slot, self.answer_seconds, self.number if self.limited else None)
            rows = await self.database.fetch(ledger_claims.CLAIM_DUE, *arguments)
        return [row_mapping.read_due_claim(row, claimed_at) for row in rows]

    async def find_work(self) -> Work:
        """Return all kinds of pending work, with one statement."""
        row = await self.database.fetchrow(ledger_claims.FIND_WORK)
        kinds = frozenset(name for name, found in row.items() if found is True)
        return Work(due_lanes=frozenset(map(Lane, row["due_lanes"])), kinds=kinds)

    async def record(self, records: Sequence[Record]) -> None:
        """Record results of claims in one transaction."""
        columns = row_mapping.extract_columns(records, *row_mapping.RECORD)
        await self.database.fetchval(ledger_results.RECORD, *columns, self.slot, RECIPIENT_CODES)

    async def apply_statuses(self, updates: Sequence[StatusUpdate]) -> AppliedStatuses:
        """Advance rows by Meta's statuses, and record how far the stream of statuses has come."""
        columns = row_mapping.extract_columns(updates, *row_mapping.STATUS)
        row = await self.database.fetchrow(
            ledger_results.APPLY_STATUSES, *columns, self.slot, RECIPIENT_CODES, self.number
        )
        return AppliedStatuses(changed=row["changed"], unmatched=len(updates) - row["matched"])

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """Suppress everything that the withdrawal covers: from the commit on nothing of it is claimed."""
        await self.database.fetchval(ledger_claims.SUPPRESS, *row_mapping.build_withdrawal_columns([withdrawal]))

    async def cancel(self, broadcast: UUID, reason: str) -> None:
        """Cancel a broadcast: from the commit on nothing of it is claimed."""
        await self.database.fetchval(ledger_results.CANCEL, broadcast, reason)

    async def mark_unknown(self) -> int:
        """Mark overdue claims as unknown, and return their number."""
        return int(await self.database.fetchval(ledger_results.MARK_UNKNOWN, self.slot))

    async def requeue_unknown(self, grace_seconds: float, margin_seconds: float) -> int:
        """Requeue deliveries that the stream of statuses has passed without a status, at most MAX_RESENDS times."""
        arguments = (self.number, grace_seconds, margin_seconds, self.slot, MAX_RESENDS)
        return int(await self.database.fetchval(ledger_results.REQUEUE_UNKNOWN, *arguments))

    async def collect_progress(self, grace_seconds: float) -> list[BroadcastProgress]:
        """Return broadcasts with changes that have not been published for a second.

        An outcome still unknown `grace_seconds` after the expiry counts as final.
        """
        rows = await self.database.fetch(ledger_results.COLLECT_PROGRESS, grace_seconds)
        return [row_mapping.read_progress(list(group)) for _, group in groupby(rows, key=lambda row: row["id"])]

    async def get_progress(self, broadcast: UUID) -> BroadcastProgress | None:
        """Return None for a broadcast that the ledger does not know, or no longer knows."""
        rows = await self.database.fetch(ledger_results.BROADCAST_PROGRESS, broadcast)
        return row_mapping.read_progress(rows) if rows else None

    async def finish(self, broadcast: UUID) -> None:
        """Mark a broadcast as finished, unless a delivery is still waiting or claimed."""
        await self.database.fetchval(ledger_results.FINISH, broadcast)

    async def read_backlog(self) -> Backlog:
        """Return the waiting deliveries, and the recipients without a row."""
        rows = await self.database.fetch(ledger_results.BACKLOG, self.number)
        return Backlog(
            waiting={Lane(row["lane"]): row["waiting"] for row in rows},
            overdue_seconds={Lane(row["lane"]): row["overdue_seconds"] for row in rows},
            unaccounted=sum(row["unaccounted"] for row in rows),
            unknown_seconds=rows[0]["unknown_seconds"],
            sending_paused=bool(rows[0]["held"]),
        )

    async def report_unreachable(self, reason: str, seconds: float) -> None:
        """Record for how long Meta has been unreachable from this replica; the record is valid for a short time."""
        await self.database.fetchval(ledger_results.REPORT_UNREACHABLE, REPLICA, self.number, reason, seconds)

    async def fetch_unreported_refusals(self) -> list[DeliveryRefused]:
        """Return refused recipients that have not been reported to subscriptions."""
        return [DeliveryRefused(**row) for row in await self.database.fetch(ledger_results.UNREPORTED_REFUSALS)]

    async def mark_refusals_reported(self, refusals: Sequence[DeliveryRefused]) -> None:
        await self.database.fetchval(ledger_results.MARK_REFUSALS_REPORTED, [refusal.delivery for refusal in refusals])

    async def pause_template(self, template: str, reason: str) -> bool:
        """Pause broadcasts with this template from the commit on; return whether they were not paused before."""
        return bool(await self.database.fetchval(ledger_results.PAUSE_TEMPLATE, template, reason))

    async def requeue_waiting(self, limit: int) -> int:
        """End, suspend or requeue up to `limit` waiting deliveries of each kind, and return their number."""
        statement = "select dispatcher.requeue_waiting($1, $2, $3)"
        return int(await self.database.fetchval(statement, self.number, self.slot, limit))
