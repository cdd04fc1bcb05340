"""Mapping between our values and the ledger's columns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.dispatcher.domain.account import template_key
from services.dispatcher.domain.content import build_reply_body
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.ports import Batch, BroadcastProgress, Claim
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested, Withdrawal
from shared.contracts.message import Address, AddressKind, Lane
from shared.runtime.clock import Instant


def encode_json(value: object) -> str:
    """Return a value as text for a jsonb column."""
    return msgspec.json.encode(value).decode()


def extract_columns(items: Iterable[object], *names: str) -> tuple[list[Any], ...]:
    """Return one list for each of these attributes, as columns of a statement; a dotted name is a nested attribute."""
    listed = list(items)
    return tuple([get(item) for item in listed] for get in map(attrgetter, names))


RECIPIENT = ("subscriber", "sequence", "address.kind", "address.index", "address.sealed")
RECORD = ("delivery", "state", "message_key", "error_code", "due_at", "claim", "attempted", "waits_for")
STATUS = ("delivery", "state", "message_key", "error_code", "attempts", "due_at", "waits_for")


def build_broadcast_values(
    message: BroadcastBatch | BroadcastFollowUp, content: Mapping[str, Any]
) -> tuple[object, ...]:
    """Return the columns of a new broadcast; the audience of a follow-up is not known yet."""
    expanded, audience, spacing, hours = 0, None, None, message.hours
    if isinstance(message, BroadcastBatch):
        expanded = message.offset + len(message.recipients)
        audience = expanded if message.last else None
        spacing = timedelta(seconds=message.spacing_seconds) if message.spacing_seconds else None
    return (
        *(message.broadcast, message.notice, message.revision, message.topic, message.lane.value),
        template_key(message.template.name, message.template.language),
        encode_json(content),
        *(message.published_at, message.expires_at, audience, expanded),
        *((hours.opens, hours.closes, hours.zone) if hours else (None, None, None)),
        spacing,
    )


def build_withdrawal_columns(withdrawals: Sequence[Withdrawal]) -> tuple[list[Any], ...]:
    """Return the columns subscriber, topic and sequence; the topic '' means all topics."""
    subscribers, topics, sequences = extract_columns(withdrawals, "subscriber", "topic", "sequence")
    return subscribers, [topic or "" for topic in topics], sequences


def build_reply_columns(claims: Iterable[Claim]) -> tuple[list[Any], ...]:
    """Return one list for each column of the claim."""
    *others, contents, asked, expires = extract_columns(
        claims, "delivery", "address.kind", "address.index", "address.sealed", "content", "asked_at", "expires_at"
    )
    return (*others, [encode_json(content) for content in contents], asked, expires)


def build_batch_claim(batch: Batch, delivery: UUID, address: Address, claimed_at: Instant) -> Claim:
    """Return the claim of a recipient of a batch."""
    asked_at, expires_at = batch.message.published_at, batch.message.expires_at
    return Claim(delivery, batch.message.lane, address, batch.content, asked_at, expires_at, claimed_at)


def build_reply_claim(reply: ReplyRequested, asked_at: datetime, claimed_at: Instant) -> Claim:
    """Return the claim of a reply, valid if the ledger accepts it."""
    content = build_reply_body(reply.text, reply.buttons, reply.menu)
    return Claim(reply.reply, Lane.REPLY, reply.recipient, content, asked_at, reply.expires_at, claimed_at)


def read_address(row: asyncpg.Record) -> Address:
    return Address(kind=AddressKind(row["address_kind"]), index=row["address_index"], sealed=row["address_sealed"])


def read_due_claim(row: asyncpg.Record, claimed_at: Instant) -> Claim:
    """Return the claim of a row that was waiting."""
    return Claim(
        delivery=row["id"],
        lane=Lane(row["lane"]),
        address=read_address(row),
        content=msgspec.json.decode(row["content"]),
        attempt=row["attempt"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        claimed_at=claimed_at,
        number=row["claim"],
    )


def read_progress(rows: Sequence[asyncpg.Record]) -> BroadcastProgress:
    """Return the progress from the counters of one broadcast.

    It has finished when no delivery is waiting, or unknown as long as that can change.
    """
    first = rows[0]
    states = {DeliveryState(row["state"]): row["deliveries"] for row in rows if row["deliveries"]}
    known = sum(states.values())
    audience = known if first["is_cut"] else first["audience"]
    undecided = {DeliveryState.UNKNOWN} if not first["is_over"] else set()
    open_states = states.keys() & {DeliveryState.WAITING, DeliveryState.CLAIMED, *undecided}
    finished = audience == known and not open_states
    return BroadcastProgress(first["id"], audience, states, finished, first.get("cancelled"), first.get("limited", 0))
