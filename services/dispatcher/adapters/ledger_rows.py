"""From our values to the ledger's columns, and from its rows to our values."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.dispatcher.domain.answers import Record
from services.dispatcher.domain.content import reply_body
from services.dispatcher.domain.states import State
from services.dispatcher.ports import Batch, Claim, Progress, StatusNews
from shared.contracts.dispatch import PermittedHours, Recipient, ReplyRequested, Withdrawal
from shared.contracts.message import Address, AddressKind, Lane
from shared.runtime.clock import Instant


def as_json(value: object) -> str:
    """Text for a jsonb column."""
    return msgspec.json.encode(value).decode()


def recipient_columns(recipients: Sequence[Recipient]) -> tuple[list[Any], ...]:
    """One list for each column of the claim."""
    return (
        [recipient.subscriber for recipient in recipients],
        [recipient.sequence for recipient in recipients],
        [recipient.address.kind.value for recipient in recipients],
        [recipient.address.index for recipient in recipients],
        [recipient.address.sealed for recipient in recipients],
    )


def timing(
    hours: PermittedHours | None, spacing_seconds: float | None
) -> tuple[time | None, time | None, str | None, timedelta | None]:
    """Hours and spread of a broadcast; None for none."""
    spacing = timedelta(seconds=spacing_seconds) if spacing_seconds else None
    return (hours.opens, hours.closes, hours.zone, spacing) if hours else (None, None, None, spacing)


def withdrawal_columns(withdrawals: Iterable[Withdrawal]) -> tuple[list[Any], ...]:
    """Subscriber, topic and sequence; '' stands for all topics."""
    listed = list(withdrawals)
    return (
        [withdrawal.subscriber for withdrawal in listed],
        [withdrawal.topic or "" for withdrawal in listed],
        [withdrawal.sequence for withdrawal in listed],
    )


def reply_columns(claims: Iterable[Claim]) -> tuple[list[Any], ...]:
    """One list for each column of the claim."""
    listed = list(claims)
    return (
        [claim.delivery for claim in listed],
        [claim.address.kind.value for claim in listed],
        [claim.address.index for claim in listed],
        [claim.address.sealed for claim in listed],
        [as_json(claim.content) for claim in listed],
        [claim.asked_at for claim in listed],
        [claim.expires_at for claim in listed],
    )


def record_columns(records: Sequence[Record]) -> tuple[list[Any], ...]:
    """One list for each column of the statement."""
    return (
        [record.delivery for record in records],
        [record.state.value for record in records],
        [record.message_key for record in records],
        [record.error_code for record in records],
        [record.due_at for record in records],
        [record.claim for record in records],
        [record.attempted for record in records],
        [record.waits_for for record in records],
    )


def news_columns(news: Sequence[StatusNews]) -> tuple[list[Any], ...]:
    """One list for each column of the statement."""
    return (
        [item.delivery for item in news],
        [item.state.value for item in news],
        [item.message_key for item in news],
        [item.error_code for item in news],
        [item.retry.attempts if item.retry else 0 for item in news],
        [item.retry.due_at if item.retry else None for item in news],
        [item.retry.waits_for if item.retry else None for item in news],
    )


def batch_claim(batch: Batch, delivery: UUID, address: Address, claimed_at: Instant) -> Claim:
    """A recipient that is ours to send to."""
    return Claim(
        delivery=delivery,
        lane=batch.message.lane,
        address=address,
        content=batch.content,
        attempt=1,
        asked_at=batch.message.published_at,
        expires_at=batch.message.expires_at,
        claimed_at=claimed_at,
    )


def reply_claim(reply: ReplyRequested, asked_at: datetime, claimed_at: Instant) -> Claim:
    """A reply that is ours to send if the ledger lets us."""
    return Claim(
        delivery=reply.reply,
        lane=Lane.REPLY,
        address=reply.recipient,
        content=reply_body(reply.text, reply.buttons, reply.menu),
        attempt=1,
        asked_at=asked_at,
        expires_at=reply.expires_at,
        claimed_at=claimed_at,
    )


def due_claim(row: asyncpg.Record, claimed_at: Instant) -> Claim:
    """A row that has waited and is ours now."""
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
        number=row["claim"],
    )


def progress_of(rows: Sequence[asyncpg.Record]) -> Progress:
    """The counters of one broadcast; it has finished when nobody waits, or is unknown as long as that can change."""
    states = {State(row["state"]): row["deliveries"] for row in rows if row["deliveries"]}
    audience = rows[0]["audience"]
    settled = sum(states.values()) - sum(states.get(state, 0) for state in (State.WAITING, State.CLAIMED))
    unknown = states.get(State.UNKNOWN, 0)
    return Progress(
        rows[0]["id"], audience, states, finished=audience == settled and (not unknown or rows[0]["is_over"])
    )
