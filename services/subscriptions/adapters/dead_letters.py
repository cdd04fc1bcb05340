"""Dead letters in PostgreSQL: encrypted, kept for a limited time, and deleted when their person is erased."""

import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.subscriptions.adapters.retention import find_last_erasure, lock_people
from services.subscriptions.domain.subscriber import MessageTime
from shared.database.pool import Database
from shared.encryption import EncryptionError, KeyRing

PURPOSE = "dead_letter"
MAX_REPLAYED_AT_ONCE = 100
UNREADABLE = "encrypted with a key that is not in the ring"
_SAVE = """
    insert into subscriptions.dead_letter (id, reason, body_sealed, senders) values ($1, $2, $3, $4)
    on conflict (id) do update set reason = excluded.reason, replay_at = null
"""
_DUE = """
    select id, body_sealed from subscriptions.dead_letter where replay_at is not null order by failed_at limit $1
"""
_FAILED = "update subscriptions.dead_letter set reason = $2, replay_at = null where id = $1"


class PostgresDeadLetterRepository:
    """Implementation of ports.DeadLetterRepository."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def save(
        self, body: bytes, reason: str, people: Sequence[bytes] = (), written_at: MessageTime | None = None
    ) -> None:
        identifier = UUID(bytes=hashlib.sha256(body).digest()[:16])
        ciphertext = self._ring.encrypt(body, purpose=PURPOSE, index=identifier.bytes)
        async with self._database.transaction() as connection:
            await lock_people(connection, people)
            last_erasure = await find_last_erasure(connection, people, written_at.at if written_at else None)
            if written_at is None or last_erasure is None or written_at >= last_erasure:
                await connection.execute(_SAVE, identifier, reason, ciphertext, people)

    async def list_due(self) -> Mapping[UUID, bytes]:
        bodies: dict[UUID, bytes] = {}
        for identifier, ciphertext in await self._database.fetch(_DUE, MAX_REPLAYED_AT_ONCE):
            try:
                bodies[identifier] = self._ring.decrypt(ciphertext, purpose=PURPOSE, index=identifier.bytes)
            except EncryptionError:
                await self.fail(identifier, UNREADABLE)
        return bodies

    async def remove(self, identifier: UUID) -> None:
        await self._database.fetch("delete from subscriptions.dead_letter where id = $1", identifier)

    async def fail(self, identifier: UUID, reason: str) -> None:
        await self._database.fetch(_FAILED, identifier, reason)
