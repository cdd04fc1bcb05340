"""PostgreSQL implementation of ports.AccountRepository."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.newsroom.adapters.audit import record_act
from services.newsroom.domain.accounts import Account, AccountProblem, Role
from services.newsroom.domain.audit import Act
from services.newsroom.domain.identity import ProviderSubject
from services.newsroom.domain.login import NewLogin, Visitor
from services.newsroom.ports import Credentials, NewAccount
from shared.database.pool import Connection, Database
from shared.outcome import InvalidDataError

ACCOUNT_COLUMNS = "a.id, a.login, a.name, a.person, a.roles, a.disabled_at, a.subject is not null as is_external"
END_SESSIONS = """
update newsroom.session set revoked_at = $2
where account = $1 and revoked_at is null and ($3::bytea is null or token_hash <> $3)
"""
_LIST = f"select {ACCOUNT_COLUMNS} from newsroom.account a order by a.disabled_at is not null, a.name, a.login"  # noqa: S608 - constant parts
_FIND = f"select {ACCOUNT_COLUMNS} from newsroom.account a where a.login = $1"  # noqa: S608 - constant parts
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
# A statement of its own: the next one then sees what was committed while this one waited, such as the end of a session.
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
_USE_STEP = "update newsroom.account set totp_step = $2 where id = $1 and totp_step < $2 returning id"
_USE_CODE = """
update newsroom.recovery_code set used_at = $3 where account = $1 and code_hash = $2 and used_at is null
returning account
"""


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
    """Accounts of the press office."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_accounts(self) -> Sequence[Account]:
        return [build_account(row) for row in await self._database.fetch(_LIST)]

    async def find_account(self, login: str) -> Account | None:
        rows = await self._database.fetch(_FIND, login)
        return build_account(rows[0]) if rows else None

    async def find_credentials(self, login: str) -> Credentials | None:
        return _build_credentials(await self._database.fetch(_BY_LOGIN, login))

    async def find_external(self, subject: ProviderSubject) -> Credentials | None:
        return _build_credentials(await self._database.fetch(_BY_SUBJECT, subject.issuer, subject.subject))

    async def create_account(self, new: NewAccount, act: Act) -> bool:
        """Return False if the login is taken."""
        async with self._database.transaction() as connection:
            return await insert_account(connection, new, act)

    async def disable(self, account: UUID, now: datetime, act: Act) -> None:
        async with self._database.transaction() as connection:
            await connection.execute("update newsroom.account set disabled_at = $2 where id = $1", account, now)
            await connection.execute(END_SESSIONS, account, now, None)
            await record_act(connection, act)

    async def reset(self, new: NewAccount, now: datetime, act: Act) -> None:
        """Give it a first password; end its sessions, and forget its one-time codes and devices."""
        account = new.account.id
        async with self._database.transaction() as connection:
            await connection.execute(_RESET, account, new.password_hash, new.password_ends_at)
            await connection.execute("delete from newsroom.recovery_code where account = $1", account)
            await connection.execute("delete from newsroom.device where account = $1", account)
            await connection.execute(END_SESSIONS, account, now, None)
            await record_act(connection, act)

    async def set_up(self, visitor: Visitor, login: NewLogin, now: datetime, act: Act) -> bool:
        account, values = visitor.account.id, (login.password_hash, login.totp_sealed, login.totp_step)
        async with self._database.transaction() as connection:
            if not await _change_login(connection, _SET_UP, visitor, *values):
                return False
            await _store_recovery_codes(connection, account, login.recovery_codes)
            await connection.execute(END_SESSIONS, account, now, None)
            await record_act(connection, act)
        return True

    async def connect(self, visitor: Visitor, subject: ProviderSubject, now: datetime, act: Act) -> bool:
        try:
            async with self._database.transaction() as connection:
                if not await _change_login(connection, _CONNECT, visitor, subject.issuer, subject.subject):
                    return False
                await connection.execute(END_SESSIONS, visitor.account.id, now, None)
                await record_act(connection, act)
        except InvalidDataError:
            raise AccountProblem("Dieses Konto des Landkreises gehört hier schon zu einem anderen Konto.") from None
        return True

    async def change_password(self, visitor: Visitor, old: str, new: str, now: datetime, act: Act) -> bool:
        async with self._database.transaction() as connection:
            if not await _change_login(connection, _CHANGE_PASSWORD, visitor, old, new):
                return False
            await connection.execute(END_SESSIONS, visitor.account.id, now, visitor.session)
            await record_act(connection, act)
        return True

    async def replace_recovery_codes(
        self, visitor: Visitor, password: str, codes: Sequence[bytes], now: datetime, act: Act
    ) -> bool:
        async with self._database.transaction() as connection:
            if not await _change_login(connection, _HAS_PASSWORD, visitor, password):
                return False
            await _store_recovery_codes(connection, visitor.account.id, codes)
            await connection.execute(END_SESSIONS, visitor.account.id, now, visitor.session)
            await record_act(connection, act)
        return True

    async def use_totp_step(self, account: UUID, step: int) -> bool:
        return await self._database.fetchval(_USE_STEP, account, step) is not None

    async def use_recovery_code(self, account: UUID, code: bytes, now: datetime) -> bool:
        return await self._database.fetchval(_USE_CODE, account, code, now) is not None


async def _store_recovery_codes(connection: Connection, account: UUID, codes: Sequence[bytes]) -> None:
    """Replace those of the account."""
    await connection.execute("delete from newsroom.recovery_code where account = $1", account)
    rows = [(account, code) for code in codes]
    await connection.executemany("insert into newsroom.recovery_code (account, code_hash) values ($1, $2)", rows)


async def _change_login(connection: Connection, statement: str, visitor: Visitor, *values: object) -> bool:
    """Change how the visitor logs in; return False if the session has ended, or the login was changed meanwhile."""
    await connection.execute(_LOCK, visitor.account.id)
    return await connection.fetchval(statement, visitor.account.id, visitor.session, *values) is not None


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


async def insert_account(connection: Connection, new: NewAccount, act: Act) -> bool:
    """Insert an account in a transaction; return False if its login is taken."""
    account = new.account
    values = (account.login, account.name, account.person, sorted(account.roles))
    created = await connection.fetchval(_CREATE, account.id, *values, new.password_hash, new.password_ends_at)
    if created is None:
        return False
    await record_act(connection, act)
    return True
