"""What the ledger knows of people: which message a reaction was about, and addresses that have to go."""

from collections.abc import Sequence
from uuid import UUID

from services.dispatcher.adapters import ledger_claims
from services.dispatcher.ports import Erasure
from shared.contracts.events import SubscriberErased
from shared.contracts.message import Address, AddressKind
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


class PostgresPeople:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, deliveries: Sequence[UUID], message_key: bytes) -> UUID | None:
        statement = "select source from dispatcher.delivery where id = any($1) and message_key = $2"
        source: UUID | None = await self._database.fetchval(statement, deliveries, message_key)
        return UUID(int=source.int) if source else None

    async def remember(self, erased: SubscriberErased) -> None:
        user = next((one for one in erased.addresses if one.kind is AddressKind.USER and one.sealed), None)
        people = [*erased.subscribers]
        async with self._database.transaction() as connection:
            await connection.execute(ledger_claims.SUPPRESS, people, [""] * len(people), [EVERYTHING] * len(people))
            await connection.execute(
                _REMEMBER,
                erased.erasure,
                people,
                [address.index for address in erased.addresses],
                user.index if user else None,
                user.sealed if user else None,
            )

    async def due(self) -> list[Erasure]:
        rows = await self._database.fetch(_TAKE, RETRY_SECONDS)
        return [
            Erasure(
                id=row["id"],
                subscribers=row["subscribers"],
                indexes=row["indexes"],
                user=_user(row["user_index"], row["user_sealed"]),
            )
            for row in rows
        ]

    async def told_meta(self, erasure: Erasure) -> None:
        await self._database.fetchval(_FORGET_USER, erasure.id)

    async def erase(self, erasure: Erasure) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_UNREACH, erasure.subscribers)
            await connection.execute(_ERASE, erasure.subscribers, erasure.indexes)
            await connection.execute(_FINISH, erasure.id, KEPT_SECONDS)


def _user(index: bytes | None, sealed: bytes | None) -> Address | None:
    return Address(kind=AddressKind.USER, index=index, sealed=sealed) if index and sealed else None
