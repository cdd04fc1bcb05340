"""Logins and accounts without pages, with the rights of the newsroom's role."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pyotp

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.accounts import Account, Role
from services.newsroom.domain.audit import Act
from services.newsroom.domain.login import Credentials, SessionLimits, Visitor, encode_totp_secret, hash_cookie
from services.newsroom.handlers.account_admin import AccountAdministration
from services.newsroom.handlers.login import TOTP_PURPOSE, LoginService, StartedSession
from shared.database.pool import open_database
from shared.encryption import KeyRing
from shared.runtime.clock import system_clock
from tests.databases import FreshDatabase
from tests.harness.newsroom import KEYS, insert_account
from tests.integration.newsroom.test_setup import NEW_PASSWORD

INVITED: dict[str, Any] = {"name": "Gast", "roles": ["editor"], "same_person_as": ""}
FIRST, OLD, NEW = "erstes Kennwort", "altes Kennwort", NEW_PASSWORD
ACT = Act(account=None, action="test.act", object="test")
LIMITS = SessionLimits(idle=timedelta(hours=1), total=timedelta(hours=1))
Interrupt = Callable[[], Awaitable[object]]


class InterruptedHasher(Argon2PasswordHasher):
    """One that is as slow as what happens meanwhile, once."""

    def __init__(self) -> None:
        self.interrupt: Interrupt | None = None

    async def hash(self, password: str) -> str:
        await self._wait()
        return f"hash of {password}"

    async def verify(self, hashed: str | None, password: str) -> bool:
        await self._wait()
        return hashed == f"hash of {password}"

    async def _wait(self) -> None:
        interrupt, self.interrupt = self.interrupt, None
        if interrupt:
            await interrupt()


@dataclass(frozen=True, kw_only=True)
class Logins:
    """Logins without pages, and one account."""

    service: LoginService
    accounts: PostgresAccountRepository
    hasher: InterruptedHasher
    owner: asyncpg.Connection
    account: Account
    secret: bytes

    async def add_operator(self) -> Account:
        identifier, login = uuid4(), f"o-{secrets.token_hex(5)}"
        account = Account(id=identifier, login=login, name="Otto", person=uuid4(), roles=frozenset({Role.OPERATOR}))
        await insert_account(self.owner, account)
        return account

    async def log_in(self, password: str = OLD, code: str = "") -> StartedSession:
        code = code or pyotp.TOTP(encode_totp_secret(self.secret)).now()
        await self.owner.execute("update newsroom.account set totp_step = 0 where id = $1", self.account.id)
        return await self.service.log_in(self.account.login, password, code, secrets.token_hex(4), None)

    async def visit(self, started: StartedSession) -> Visitor:
        visitor = await self.service.sessions.find_visitor(hash_cookie(started.token))
        assert visitor is not None
        return visitor

    async def begin_setup(self) -> tuple[Visitor, dict[str, str]]:
        """The owner has logged in with a first password, and filled in the form."""
        await self.reset()
        visitor = await self.visit(await self.log_in(FIRST))
        ciphertext = self.service.begin_setup(visitor)
        code = pyotp.TOTP(self.service.read_setup(visitor, ciphertext)).now()
        return visitor, {"password": NEW, "code": code, "ciphertext": ciphertext}

    async def reset(self) -> None:
        now = system_clock()
        new = Credentials(account=self.account, password_hash=f"hash of {FIRST}", password_ends_at=now + LIMITS.idle)
        await self.accounts.reset(new, now, ACT)

    async def block_for_a_while(self) -> None:
        await self.accounts.disable(self.account.id, system_clock(), ACT)

    async def fetch(self, query: str, *more: object) -> Any:
        """Return the value that this statement finds about the account."""
        return await self.owner.fetchval(query, self.account.id, *more)

    async def read_hash(self) -> Any:
        return await self.fetch("select password_hash from newsroom.account where id = $1")

    async def count_open(self) -> Any:
        """Count open sessions, as they would be if the account were not blocked."""
        return await self.fetch("select count(*) from newsroom.session where account = $1 and revoked_at is null")

    async def count_acts(self, action: str) -> Any:
        return await self.fetch("select count(*) from newsroom.audit where account = $1 and action = $2", action)

    async def find_request(self, login: str) -> UUID:
        (request,) = [each.id for each in await self.accounts.list_open_requests() if each.login == login]
        return request

    @property
    def administration(self) -> AccountAdministration:
        return AccountAdministration(
            accounts=self.accounts,
            sessions=self.service.sessions,
            hasher=self.hasher,
            ring=self.service.ring,
            clock=system_clock,
        )


@asynccontextmanager
async def open_logins(database: FreshDatabase) -> AsyncIterator[Logins]:
    owner = await asyncpg.connect(database.url)
    url, ring = database.build_role_url("kreisfunk_newsroom"), KeyRing.parse(KEYS)
    account = Account(
        id=uuid4(), login=f"f-{secrets.token_hex(5)}", name="Fee", person=uuid4(), roles=frozenset({Role.EDITOR})
    )
    secret = secrets.token_bytes(20)
    encrypted = ring.encrypt(secret, purpose=TOTP_PURPOSE, index=account.id.bytes)
    await insert_account(owner, account, password_hash=f"hash of {OLD}", totp_secret=encrypted)
    hasher = InterruptedHasher()
    async with open_database(url, password=None, name="test", size=5) as pool:
        accounts = PostgresAccountRepository(pool)
        service = LoginService(
            accounts=accounts,
            sessions=PostgresSessionRepository(pool, LIMITS),
            hasher=hasher,
            ring=ring,
            clock=system_clock,
            count=lambda _: None,
        )
        yield Logins(service=service, accounts=accounts, hasher=hasher, owner=owner, account=account, secret=secret)
    await owner.close()
