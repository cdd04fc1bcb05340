"""Check that keys are those of the database: only then does a "Stop" find whoever it is from."""

import asyncpg

from cli.keys.stores import SUBSCRIBERS
from shared.encryption import INDEX_BYTES, BlindIndexKey, EncryptionError, KeyRing

SAMPLE_SIZE = 200


async def find_foreign_keys(connection: asyncpg.Connection, ring: KeyRing, index: BlindIndexKey) -> str | None:
    """Return why the keys are not those of the subscribers, None if they are.

    Of all hashes the number of links is looked at; of a sample they are computed again from the decrypted addresses.
    """
    for kind, address in SUBSCRIBERS.items():
        newer = f"length({address.index}) > {INDEX_BYTES} and get_byte({address.index}, {INDEX_BYTES}) > $1"
        ask = f"select exists (select from {address.table} where {newer})"  # noqa: S608 - constant parts
        if await connection.fetchval(ask, index.version):
            return "subscribers have hashes of a newer index key"
        rows = await connection.fetch(f"""
            select {address.index} as hash, {address.sealed} as sealed from {address.table}
            where length({address.sealed}) > 0 order by id desc limit {SAMPLE_SIZE}
        """)  # noqa: S608 - constant parts
        for row in rows:
            try:
                plain = ring.decrypt(row["sealed"], purpose=kind, index=row["hash"]).decode()
            except EncryptionError:
                return "subscribers' addresses cannot be decrypted"
            if index.compute_index(kind, plain) != index.upgrade(row["hash"]):
                return "subscribers have hashes of another index key"
    return None
