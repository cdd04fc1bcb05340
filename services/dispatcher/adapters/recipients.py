"""Personal data in the ledger: the broadcast that a reaction refers to, and erasures."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.dispatcher.adapters.ledger_claims import SUPPRESS
from services.dispatcher.domain.erasures import Erasure
from shared.contracts.events import SubscriberErased
from shared.contracts.ids import derive_id
from shared.contracts.message import AddressKind
from shared.database.pool import Database

RETRY_DELAY_SECONDS = 5
# Messages in progress at the request, especially the answer to it, may still be written.
ERASURE_DELAY_SECONDS = 60
MAX_SEQUENCE = 2_147_483_647

_REGISTER_ERASURE = """
insert into dispatcher.erasure (id, subscribers, indexes, user_index, user_sealed) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
_CLAIM_DUE_ERASURES = """
update dispatcher.erasure set tried_at = clock_timestamp()
where id in (
    select id from dispatcher.erasure where tried_at < clock_timestamp() - make_interval(secs => $1)
    order by tried_at limit 10 for update skip locked)
returning id, subscribers, indexes, user_index, user_sealed
"""
_ERASE = "select dispatcher.erase_addresses($1, $2)"
# A person who writes again is counted again.
_DELETE_REACHED = "delete from dispatcher.reached where subscriber = any($1)"
_DELETE_USER = "update dispatcher.erasure set user_index = null, user_sealed = null where id = $1"
_FINISH = """
delete from dispatcher.erasure
where id = $1 and user_sealed is null and asked_at < clock_timestamp() - make_interval(secs => $2)
    and not exists (select dispatcher.deliveries_to(subscribers, indexes))
"""


@dataclass(frozen=True)
class PostgresRecipientRepository:
    database: Database

    async def find_broadcast(self, deliveries: Sequence[UUID], message_key: bytes) -> UUID | None:
        statement = "select source from dispatcher.delivery where id = any($1) and message_key = $2"
        source: UUID | None = await self.database.fetchval(statement, deliveries, message_key)
        return UUID(int=source.int) if source else None

    async def register_erasure(self, erased: SubscriberErased) -> None:
        """Suppress everything for these subscribers from now on, and erase their addresses soon.

        Each user id of theirs is an erasure of its own, since Meta deletes one contact at a time.
        """
        addresses, people = erased.addresses, [*erased.subscribers]
        users = [(user.index, user.sealed) for user in addresses if user.kind is AddressKind.USER and user.sealed]
        indexes = [address.index for address in addresses]
        async with self.database.transaction() as connection:
            await connection.execute(SUPPRESS, people, [""] * len(people), [MAX_SEQUENCE] * len(people))
            for number, user in enumerate(users or [(None, None)]):
                erasure = derive_id(erased.erasure, bytes([number])) if number else erased.erasure
                await connection.execute(_REGISTER_ERASURE, erasure, people, indexes, *user)

    async def claim_due_erasures(self) -> list[Erasure]:
        return [Erasure(**row) for row in await self.database.fetch(_CLAIM_DUE_ERASURES, RETRY_DELAY_SECONDS)]

    async def mark_contact_deleted(self, erasure: Erasure) -> None:
        await self.database.fetchval(_DELETE_USER, erasure.id)

    async def erase(self, erasure: Erasure) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(_ERASE, erasure.subscribers, erasure.indexes)
            await connection.execute(_DELETE_REACHED, erasure.subscribers)
            await connection.execute(_FINISH, erasure.id, ERASURE_DELAY_SECONDS)
