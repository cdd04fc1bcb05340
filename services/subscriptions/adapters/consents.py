"""Consents in PostgreSQL, with the texts that they refer to."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.subscriptions.domain.consent import Consent, ConsentEvent
from services.subscriptions.domain.wording import Wording
from shared.database.pool import Connection

_SAVE_CONSENT = """
    insert into subscriptions.consent (subscriber_id, sequence, event, topics, wording_version, wording_hash,
        said_at, received_at, message_key)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_SAVE_WORDING = (
    "insert into subscriptions.wording (hash, version, text) values ($1, $2, $3) on conflict (hash) do nothing"
)
_CONSENTS = """
    with recursive person as (
        select id from subscriptions.subscriber where id = any($1)
        union select s.id from subscriptions.subscriber s join person on s.merged_into = person.id)
    select subscriber_id as subscriber, sequence, event, topics, wording_version as wording, said_at, received_at,
        message_key
    from subscriptions.consent where subscriber_id in (select id from person) order by said_at, id
"""


async def fetch_consents(connection: Connection, people: Sequence[UUID]) -> tuple[Consent, ...]:
    """Return the entries of these rows and of those that were merged into them, oldest first."""
    return tuple([_read_consent(row) for row in await connection.fetch(_CONSENTS, people)])


async def append_consent(connection: Connection, consent: Consent) -> None:
    """Store an entry, with its text if that is new."""
    wording = consent.wording
    if wording:
        await save_wordings(connection, [wording])
    await connection.execute(
        _SAVE_CONSENT,
        consent.subscriber,
        consent.sequence,
        consent.event,
        sorted(consent.topics),
        wording.version if wording else None,
        wording.hash if wording else None,
        consent.said_at,
        consent.received_at,
        consent.message_key,
    )


async def save_wordings(connection: Connection, wordings: Sequence[Wording]) -> None:
    """Store the texts that consents refer to by hash."""
    await connection.executemany(_SAVE_WORDING, [(wording.hash, wording.version, wording.text) for wording in wordings])


def _read_consent(row: asyncpg.Record) -> Consent:
    """Return the entry with only the version of its wording; the text is stored under its hash."""
    wording = Wording(row["wording"], "") if row["wording"] else None
    event, topics = ConsentEvent(row["event"]), frozenset(row["topics"])
    return Consent(**{**row, "event": event, "topics": topics, "wording": wording})
