"""Conversions between database rows and domain values."""

from uuid import UUID

import asyncpg
import msgspec

from services.subscriptions.domain.broadcast import Broadcast, BroadcastPage, Revision
from services.subscriptions.domain.consent import Consent, ConsentEvent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, SubscriberState
from services.subscriptions.domain.wording import Wording
from shared.contracts.dispatch import PermittedHours, Recipient, Template
from shared.contracts.message import Address, Addresses, AddressKind, Lane

Row = asyncpg.Record


def read_addresses(row: Row) -> Addresses:
    return Addresses(phone=_read_address(row, AddressKind.PHONE), user=_read_address(row, AddressKind.USER))


def _read_address(row: Row, kind: AddressKind) -> Address | None:
    index = row[f"{kind}_index"]
    return Address(kind=kind, index=index, sealed=row[f"{kind}_sealed"] or b"") if index else None


def read_subscriber(row: Row) -> Subscriber:
    return Subscriber(
        id=row["id"],
        sequence=row["sequence"],
        state=SubscriberState(row["state"]),
        addresses=read_addresses(row),
        topics=frozenset(row["topics"]),
        places=frozenset(row["places"]),
        paused_until=row["paused_until"],
        chosen=_read_time(row, "chosen"),
        merged_into=row["merged_into"],
        suspended=frozenset(row["suspended"]),
        preferred=row["preferred_at"],
        started=_read_time(row, "started"),
        ended=_read_time(row, "ended"),
    )


def _read_time(row: Row, name: str) -> MessageTime | None:
    at = row[f"{name}_at"]
    return MessageTime(at, row[f"{name}_received_at"]) if at else None


def build_subscriber_row(subscriber: Subscriber) -> tuple[object, ...]:
    """Return the values in the order of the columns that are saved."""
    phone, user = subscriber.addresses.phone, subscriber.addresses.user
    return (
        subscriber.id,
        subscriber.sequence,
        subscriber.state,
        *(phone.index if phone else None, (phone.sealed or None) if phone else None),
        *(user.index if user else None, (user.sealed or None) if user else None),
        *(subscriber.started or (None, None)),
        *(subscriber.ended or (None, None)),
        sorted(subscriber.places),
        subscriber.paused_until,
        *(subscriber.chosen or (None, None)),
        subscriber.merged_into,
        sorted(subscriber.suspended),
        subscriber.preferred,
    )


def read_consent(row: Row) -> Consent:
    """Return the entry with the version of its wording only: the text is found by its hash."""
    return Consent(
        subscriber=row["subscriber_id"],
        sequence=row["sequence"],
        event=ConsentEvent(row["event"]),
        topics=frozenset(row["topics"]),
        wording=Wording(row["wording_version"], "") if row["wording_version"] else None,
        said_at=row["said_at"],
        received_at=row["received_at"],
        message_key=row["message_key"],
    )


def read_recipient(row: Row) -> Recipient:
    """Return the recipient with the phone number if it is known, else with the user id."""
    kind = AddressKind.PHONE if row["phone_sealed"] else AddressKind.USER
    address = Address(kind=kind, index=row[f"{kind}_index"], sealed=row[f"{kind}_sealed"])
    return Recipient(subscriber=row["id"], sequence=row["sequence"], address=address)


def read_broadcast(row: Row) -> Broadcast:
    return Broadcast(
        id=row["id"],
        source=row["source"],
        notice=row["notice"],
        revision=row["revision"],
        digest=row["digest"],
        topic=row["topic"],
        municipalities=tuple(row["municipalities"]),
        lane=Lane(row["lane"]),
        template=msgspec.json.decode(row["template"], type=Template),
        published_at=row["published_at"],
        expires_at=row["expires_at"],
        scheduled=row["state"] == "scheduled",
        hours=_read_hours(row),
        spacing_seconds=row["spacing_seconds"],
        follows=tuple(row["follows"]),
        page=row["page"],
        audience=row["audience"],
    )


def _read_hours(row: Row) -> PermittedHours | None:
    if row["opens"] is None:
        return None
    return PermittedHours(opens=row["opens"], closes=row["closes"], zone=row["zone"])


def read_revision(row: Row) -> Revision:
    return Revision(
        broadcast=UUID(int=row["id"].int),
        number=row["revision"],
        digest=row["digest"],
        topic=row["topic"],
        expires_at=row["expires_at"],
        cancelled=row["state"] == "cancelled",
    )


def read_page(row: Row, lane: Lane) -> BroadcastPage:
    """Return a stored page, without its position, which was written to the broadcast together with it."""
    return BroadcastPage(
        lane=lane,
        page=row["page"],
        message_id=row["message_id"],
        body=row["body"],
        recipients=row["recipients"],
        last=row["last"],
        position=None,
    )
