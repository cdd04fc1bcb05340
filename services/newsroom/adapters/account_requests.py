"""PostgreSQL implementation of ports.AccountRequestRepository."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.adapters.accounts import ACCOUNT_COLUMNS, build_account, insert_account
from services.newsroom.adapters.audit import record_act
from services.newsroom.domain.accounts import AccountChange, AccountProblem, AccountRequest, Role
from services.newsroom.domain.audit import Act
from services.newsroom.ports import NewAccount
from shared.database.pool import Connection, Database

_ADD = """
insert into newsroom.account_request (id, kind, login, payload, requested_by, requested_at)
values ($1, $2, $3, $4::jsonb, $5, $6) on conflict (login) where decision is null do nothing returning id
"""
_OPEN = f"""
select r.id as request, r.kind, r.login as subject, r.payload, r.requested_at, {ACCOUNT_COLUMNS}
from newsroom.account_request r join newsroom.account a on a.id = r.requested_by
where r.decision is null and ($1::uuid is null or r.id = $1) order by r.requested_at
"""  # noqa: S608 - constant parts
# Whoever blocks one of them meanwhile, or takes a role away, waits for what is decided here.
_PEOPLE = f"select {ACCOUNT_COLUMNS} from newsroom.account a where a.id = any($1) order by a.id for share"  # noqa: S608 - constant parts
_DECIDE = """
update newsroom.account_request set decided_by = $2, decided_at = $3, decision = $4, payload = payload - 'sealed'
where id = $1 and decision is null
    and exists (select from newsroom.account where id = $2 and disabled_at is null) returning id
"""
_SET_ROLES = "update newsroom.account set roles = $2 where login = $1"
# Of a later block nobody has said that it should end.
_ENABLE = "update newsroom.account set disabled_at = null where login = $1 and disabled_at < $2 returning id"


class PostgresAccountRequestRepository:
    """Requested changes of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_request(self, request: AccountRequest, sealed: bytes, act: Act) -> bool:
        payload = {
            "name": request.name,
            "roles": sorted(request.roles),
            "person": str(request.person),
            "sealed": sealed.hex(),
        }
        values = (request.id, request.change, request.login, msgspec.json.encode(payload).decode())
        async with self._database.transaction() as connection:
            added = await connection.fetchval(_ADD, *values, request.requested_by.id, request.requested_at)
            if added is None:
                return False
            await record_act(connection, act)
        return True

    async def list_open_requests(self) -> Sequence[AccountRequest]:
        return [_build_request(row)[0] for row in await self._database.fetch(_OPEN, None)]

    async def find_open_request(self, request: UUID) -> tuple[AccountRequest, bytes] | None:
        rows = await self._database.fetch(_OPEN, request)
        return _build_request(rows[0]) if rows else None

    async def confirm(self, request: AccountRequest, decider: UUID, now: datetime, new: NewAccount | None) -> bool:
        async with self._database.transaction() as connection:
            await _check_decider(connection, request, decider)
            if not await _decide(connection, request, decider, now, "confirmed"):
                return False
            await _apply_request(connection, request, decider, new)
        return True

    async def refuse(self, request: AccountRequest, decider: UUID, now: datetime) -> bool:
        async with self._database.transaction() as connection:
            return await _decide(connection, request, decider, now, "refused")


async def _check_decider(connection: Connection, request: AccountRequest, decider: UUID) -> None:
    """Check again who asks and who decides: the password of a new account may have been hashed for seconds."""
    rows = await connection.fetch(_PEOPLE, [request.requested_by.id, decider])
    people = {row["id"]: build_account(row) for row in rows}
    replace(request, requested_by=people[request.requested_by.id]).check_decider(people[decider])


async def _decide(connection: Connection, request: AccountRequest, decider: UUID, now: datetime, decision: str) -> bool:
    if await connection.fetchval(_DECIDE, request.id, decider, now, decision) is None:
        return False
    detail = {"request": str(request.id), "change": request.change.value}
    await record_act(
        connection, Act(account=decider, action=f"account_request.{decision}", object=request.login, detail=detail)
    )
    return True


async def _apply_request(
    connection: Connection, request: AccountRequest, decider: UUID, new: NewAccount | None
) -> None:
    roles = sorted(request.roles)
    act = Act(
        account=decider, action=f"account.{request.change}", object=request.login, detail={"roles": ", ".join(roles)}
    )
    if request.change is AccountChange.ROLES:
        await connection.execute(_SET_ROLES, request.login, roles)
    elif request.change is AccountChange.ENABLE:
        if await connection.fetchval(_ENABLE, request.login, request.requested_at) is None:
            raise AccountProblem("Das Konto wurde inzwischen entsperrt oder noch einmal gesperrt. Bitte lehnen Sie ab.")
    elif new is None or not await insert_account(connection, new, act):
        raise AccountProblem("Diesen Anmeldenamen gibt es schon.")
    if request.change is not AccountChange.INVITE:
        await record_act(connection, act)


def _build_request(row: asyncpg.Record) -> tuple[AccountRequest, bytes]:
    payload: dict[str, Any] = msgspec.json.decode(row["payload"])
    request = AccountRequest(
        id=row["request"],
        change=AccountChange(row["kind"]),
        login=row["subject"],
        name=payload["name"],
        roles=frozenset(Role(role) for role in payload["roles"]),
        person=UUID(payload["person"]),
        requested_by=build_account(row),
        requested_at=row["requested_at"],
    )
    return request, bytes.fromhex(payload["sealed"])
