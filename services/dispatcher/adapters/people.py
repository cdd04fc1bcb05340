"""What the ledger knows of people: which message a reaction was about, and addresses that have to go."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.dispatcher.adapters import ledger_claims
from services.dispatcher.ports import Erasure
from shared.contracts.events import SubscriberErased
from shared.contracts.message import AddressKind
from shared.database.pool import Database

RETRY_SECONDS = 5
# What was under way when it was asked for may be written yet, the answer to it above all.
KEPT_SECONDS = 60
EVERYTHING = 2_147_483_647

_REMEMBER = """
insert into dispatcher.erasure (id, subscribers, indexes, user_index, user_sealed) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
_TAKE = """
update dispatcher.erasure set tried_at = clock_timestamp()
where id in (
    select id from dispatcher.erasure where tried_at < clock_timestamp() - make_interval(secs => $1)
    order by asked_at limit 10 for update skip locked)
returning id, subscribers, indexes, user_index, user_sealed
"""
# What is still to be sent, such as the answer that confirms the erasure, keeps its address until it has left.
_ERASE = """
update dispatcher.delivery set address_index = '', address_sealed = ''
where id in (select dispatcher.deliveries_to($1, $2)) and state not in ('waiting', 'claimed', 'unknown')
"""
# Whoever writes again counts anew.
_UNREACH = "delete from dispatcher.reached where subscriber = any($1)"
_FORGET_USER = "update dispatcher.erasure set user_index = null, user_sealed = null where id = $1"
_FINISH = """
delete from dispatcher.erasure
where id = $1 and user_sealed is null and asked_at < clock_timestamp() - make_interval(secs => $2)
    and not exists (select dispatcher.deliveries_to(subscribers, indexes))
"""


@dataclass(frozen=True)
class PostgresPeople:
    database: Database

    async def find(self, deliveries: Sequence[UUID], message_key: bytes) -> UUID | None:
        statement = "select source from dispatcher.delivery where id = any($1) and message_key = $2"
        source: UUID | None = await self.database.fetchval(statement, deliveries, message_key)
        return UUID(int=source.int) if source else None

    async def remember(self, erased: SubscriberErased) -> None:
        users = ((one.index, one.sealed) for one in erased.addresses if one.kind is AddressKind.USER and one.sealed)
        people, indexes = [*erased.subscribers], [address.index for address in erased.addresses]
        async with self.database.transaction() as connection:
            await connection.execute(ledger_claims.SUPPRESS, people, [""] * len(people), [EVERYTHING] * len(people))
            await connection.execute(_REMEMBER, erased.erasure, people, indexes, *next(users, (None, None)))

    async def due(self) -> list[Erasure]:
        return [Erasure(**row) for row in await self.database.fetch(_TAKE, RETRY_SECONDS)]

    async def told_meta(self, erasure: Erasure) -> None:
        await self.database.fetchval(_FORGET_USER, erasure.id)

    async def erase(self, erasure: Erasure) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(_UNREACH, erasure.subscribers)
            await connection.execute(_ERASE, erasure.subscribers, erasure.indexes)
            await connection.execute(_FINISH, erasure.id, KEPT_SECONDS)
