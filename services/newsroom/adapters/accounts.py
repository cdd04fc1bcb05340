"""Accounts, and requested changes of them, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.newsroom.adapters.audit import encode_json, record_act
from services.newsroom.domain.accounts import (
    Account,
    AccountChange,
    AccountProblem,
    AccountRequest,
    NotPermitted,
    Role,
)
from services.newsroom.domain.audit import Act
from services.newsroom.domain.identity import ProviderSubject
from services.newsroom.domain.login import ENDED, Credentials, Visitor
from shared.database.pool import Connection, Database
from shared.outcome import InvalidDataError

ACCOUNT_COLUMNS = "a.id, a.login, a.name, a.person, a.roles, a.disabled_at, a.subject is not null as is_external"
END_SESSIONS = """
update newsroom.session set revoked_at = $2
where account = $1 and revoked_at is null and ($3::bytea is null or token_hash <> $3)
"""
_LIST = f"select {ACCOUNT_COLUMNS} from newsroom.account a order by a.disabled_at is not null, a.name, a.login"  # noqa: S608 - constant parts
_CREDENTIALS = f"""
select {ACCOUNT_COLUMNS}, a.password_hash, a.password_ends_at, a.totp_secret, a.totp_step, a.issuer, a.subject
from newsroom.account a
"""  # noqa: S608 - constant parts
_BY_LOGIN = f"{_CREDENTIALS} where a.login = $1"
_BY_SUBJECT = f"{_CREDENTIALS} where a.issuer = $1 and a.subject = $2"
_CREATE = """
insert into newsroom.account (id, login, name, person, roles, password_hash, password_ends_at)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (login) do nothing returning id
"""
_RESET = """
update newsroom.account set password_hash = $2, password_ends_at = $3, totp_secret = null, totp_step = 0,
    issuer = null, subject = null, disabled_at = null
where id = $1
"""
# A separate statement, so that the next one sees what was committed while this one waited, such as a session's end.
_LOCK = "select from newsroom.account where id = $1 for update"
_HAS_SESSION = """
id = $1 and disabled_at is null
    and exists (select from newsroom.session where token_hash = $2 and account = $1 and revoked_at is null)
"""
_SET_UP = f"""
update newsroom.account set password_hash = $3, password_ends_at = null, totp_secret = $4, totp_step = $5
where {_HAS_SESSION} and totp_secret is null and subject is null returning id
"""  # noqa: S608 - constant parts
_CONNECT = f"""
update newsroom.account set password_hash = null, password_ends_at = null, issuer = $3, subject = $4
where {_HAS_SESSION} and totp_secret is null and subject is null returning id
"""  # noqa: S608 - constant parts
_CHANGE_PASSWORD = f"""
update newsroom.account set password_hash = $4 where {_HAS_SESSION} and password_hash = $3 returning id
"""  # noqa: S608 - constant parts
_HAS_PASSWORD = f"select id from newsroom.account where {_HAS_SESSION} and password_hash = $3"  # noqa: S608 - constant parts
_DELETE_CODES = "delete from newsroom.recovery_code where account = $1"
_ADD_CODE = "insert into newsroom.recovery_code (account, code_hash) values ($1, $2)"
_USE_STEP = "update newsroom.account set totp_step = $2 where id = $1 and totp_step < $2 returning id"
_USE_CODE = """
update newsroom.recovery_code set used_at = $3 where account = $1 and code_hash = $2 and used_at is null
returning account
"""
_ADD_REQUEST = """
insert into newsroom.account_request (id, kind, login, payload, requested_by, requested_at)
values ($1, $2, $3, $4::jsonb, $5, $6) on conflict (login) where decision is null do nothing returning id
"""
_OPEN_REQUESTS = f"""
select r.id as request, r.kind, r.login as subject, r.payload, r.requested_at, {ACCOUNT_COLUMNS}
from newsroom.account_request r join newsroom.account a on a.id = r.requested_by
where r.decision is null and ($1::uuid is null or r.id = $1) order by r.requested_at
"""  # noqa: S608 - constant parts
# Anybody who blocks one of them or takes a role away waits for this decision. It locks the account to change, too, and
# as strongly as the change does: shared locks of two decisions would wait for each other.
_PEOPLE = f"""
select {ACCOUNT_COLUMNS} from newsroom.account a where a.id = any($1) or a.login = $2 order by a.id for no key update
"""  # noqa: S608 - constant parts
_DECIDE = """
update newsroom.account_request set decided_by = $2, decided_at = $3, decision = $4, payload = payload - 'sealed'
where id = $1 and decision is null
    and exists (select from newsroom.account where id = $2 and disabled_at is null) returning id
"""
_SET_ROLES = "update newsroom.account set roles = $2 where login = $1"
# The request does not cover a later block.
_ENABLE = "update newsroom.account set disabled_at = null where login = $1 and disabled_at < $2 returning id"


def build_account(row: asyncpg.Record) -> Account:
    """Return the account of a row with ACCOUNT_COLUMNS."""
    return Account(
        id=row["id"],
        login=row["login"],
        name=row["name"],
        person=row["person"],
        roles=frozenset(Role(role) for role in row["roles"]),
        is_disabled=row["disabled_at"] is not None,
        is_external=row["is_external"],
    )


class PostgresAccountRepository:
    """Accounts and requested changes; every change is stored together with its act."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_accounts(self) -> Sequence[Account]:
        return [build_account(row) for row in await self._database.fetch(_LIST)]

    async def find_account(self, login: str) -> Account | None:
        credentials = await self.find_credentials(login)
        return credentials.account if credentials else None

    async def find_credentials(self, login: str) -> Credentials | None:
        return _build_credentials(await self._database.fetch(_BY_LOGIN, login))

    async def find_external(self, subject: ProviderSubject) -> Credentials | None:
        """Return the account that is connected to this subject of the identity provider."""
        return _build_credentials(await self._database.fetch(_BY_SUBJECT, subject.issuer, subject.subject))

    async def create_account(self, credentials: Credentials, act: Act) -> bool:
        """Create the account; return False if the login is taken."""
        async with self._database.transaction() as connection:
            if not await _insert_account(connection, credentials):
                return False
            await record_act(connection, act)
        return True

    async def disable(self, account: UUID, now: datetime, act: Act) -> None:
        """Disable the account and end its sessions."""
        async with self._database.transaction() as connection:
            await connection.execute("update newsroom.account set disabled_at = $2 where id = $1", account, now)
            await connection.execute(END_SESSIONS, account, now, None)
            await record_act(connection, act)

    async def reset(self, credentials: Credentials, now: datetime, act: Act) -> None:
        """Set a first password; end the sessions, and delete one-time codes and devices."""
        account = credentials.account.id
        async with self._database.transaction() as connection:
            await connection.execute(_RESET, account, credentials.password_hash, credentials.password_ends_at)
            await connection.execute(_DELETE_CODES, account)
            await connection.execute("delete from newsroom.device where account = $1", account)
            await connection.execute(END_SESSIONS, account, now, None)
            await record_act(connection, act)

    async def set_up(self, visitor: Visitor, new: Credentials, codes: Sequence[bytes], now: datetime, act: Act) -> None:
        """Set up a login and end all sessions of the account. Raises NotPermitted if the visitor's has ended."""
        values = (new.password_hash, new.totp_sealed, new.totp_step)
        await self._change_login(_SET_UP, visitor, values, now, act, codes=codes)

    async def connect(self, visitor: Visitor, subject: ProviderSubject, now: datetime, act: Act) -> None:
        """As `set_up`, with the identity provider instead of a password. Raises AccountProblem for a taken subject."""
        try:
            await self._change_login(_CONNECT, visitor, (subject.issuer, subject.subject), now, act)
        except InvalidDataError:
            raise AccountProblem("Dieses Konto des Landkreises gehört hier schon zu einem anderen Konto.") from None

    async def change_password(self, visitor: Visitor, old_hash: str, new_hash: str, now: datetime, act: Act) -> None:
        """Replace the hash and end the other sessions. Raises NotPermitted if it was replaced or the session ended."""
        await self._change_login(_CHANGE_PASSWORD, visitor, (old_hash, new_hash), now, act, keep=visitor.session)

    async def replace_recovery_codes(
        self, visitor: Visitor, password_hash: str, codes: Sequence[bytes], now: datetime, act: Act
    ) -> None:
        """Replace the recovery codes; otherwise as `change_password`."""
        values = (password_hash,)
        await self._change_login(_HAS_PASSWORD, visitor, values, now, act, codes=codes, keep=visitor.session)

    async def _change_login(
        self,
        statement: str,
        visitor: Visitor,
        values: Sequence[object],
        now: datetime,
        act: Act,
        *,
        codes: Sequence[bytes] | None = None,
        keep: bytes | None = None,
    ) -> None:
        """Change the visitor's login and, if given, the recovery codes; end all sessions but `keep`."""
        account = visitor.account.id
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, account)
            if await connection.fetchval(statement, account, visitor.session, *values) is None:
                raise NotPermitted(ENDED)
            if codes is not None:
                await connection.execute(_DELETE_CODES, account)
                await connection.executemany(_ADD_CODE, [(account, code) for code in codes])
            await connection.execute(END_SESSIONS, account, now, keep)
            await record_act(connection, act)

    async def use_totp_step(self, account: UUID, step: int) -> bool:
        """Mark the step as used; return False if it or a later one was used before."""
        return await self._database.fetchval(_USE_STEP, account, step) is not None

    async def use_recovery_code(self, account: UUID, code: bytes, now: datetime) -> bool:
        """Mark the code as used; return False if there is no such code, or it was used before."""
        return await self._database.fetchval(_USE_CODE, account, code, now) is not None

    async def add_request(self, request: AccountRequest, ciphertext: bytes, act: Act) -> bool:
        """Store the request with an encrypted value for its confirmation; return False if the login has one open."""
        payload = {
            "name": request.name,
            "roles": sorted(request.roles),
            "person": str(request.person),
            "sealed": ciphertext.hex(),
        }
        values = (request.id, request.change, request.login, encode_json(payload))
        async with self._database.transaction() as connection:
            added = await connection.fetchval(_ADD_REQUEST, *values, request.requested_by.id, request.requested_at)
            if added is None:
                return False
            await record_act(connection, act)
        return True

    async def list_open_requests(self) -> Sequence[AccountRequest]:
        return [_build_request(row)[0] for row in await self._database.fetch(_OPEN_REQUESTS, None)]

    async def find_open_request(self, request: UUID) -> tuple[AccountRequest, bytes] | None:
        rows = await self._database.fetch(_OPEN_REQUESTS, request)
        return _build_request(rows[0]) if rows else None

    async def confirm(self, request: AccountRequest, decider: UUID, now: datetime, new: Credentials | None) -> bool:
        """Confirm the request and apply it, an invitation by creating `new`.

        Return False if it has been decided. Raises NotPermitted if decider or requester have lost the right, and
        AccountProblem if the login of an invitation is taken, or the account to enable was unblocked or blocked again.
        """
        async with self._database.transaction() as connection:
            # Requester and decider, once more: hashing the password of a new account may have taken seconds.
            rows = await connection.fetch(_PEOPLE, [request.requested_by.id, decider], request.login)
            people = {row["id"]: build_account(row) for row in rows}
            replace(request, requested_by=people[request.requested_by.id]).check_decider(people[decider])
            if not await _decide(connection, request, decider, now, "confirmed"):
                return False
            await _apply_request(connection, request, decider, new)
        return True

    async def refuse(self, request: AccountRequest, decider: UUID, now: datetime) -> bool:
        """Refuse the request; return False if it has been decided, or the decider is blocked."""
        async with self._database.transaction() as connection:
            return await _decide(connection, request, decider, now, "refused")


def _build_credentials(rows: Sequence[asyncpg.Record]) -> Credentials | None:
    if not rows:
        return None
    (row,) = rows
    return Credentials(
        account=build_account(row),
        password_hash=row["password_hash"],
        password_ends_at=row["password_ends_at"],
        totp_sealed=row["totp_secret"],
        totp_step=row["totp_step"],
        subject=ProviderSubject(row["issuer"], row["subject"]) if row["subject"] is not None else None,
    )


async def _insert_account(connection: Connection, new: Credentials) -> bool:
    """Insert an account with a first password; return False if its login is taken."""
    account = new.account
    values = (account.id, account.login, account.name, account.person, sorted(account.roles))
    return await connection.fetchval(_CREATE, *values, new.password_hash, new.password_ends_at) is not None


async def _decide(connection: Connection, request: AccountRequest, decider: UUID, now: datetime, decision: str) -> bool:
    if await connection.fetchval(_DECIDE, request.id, decider, now, decision) is None:
        return False
    detail = {"request": str(request.id), "change": request.change.value}
    await record_act(
        connection, Act(account=decider, action=f"account_request.{decision}", object=request.login, detail=detail)
    )
    return True


async def _apply_request(
    connection: Connection, request: AccountRequest, decider: UUID, new: Credentials | None
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
    elif new is None or not await _insert_account(connection, new):
        raise AccountProblem("Diesen Anmeldenamen gibt es schon.")
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
