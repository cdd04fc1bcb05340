"""The newsroom as a process, people with accounts, and their browsers without scripts."""

import base64
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pyotp
from aiohttp import ClientSession, ClientTimeout, CookieJar
from yarl import URL

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.domain.accounts import Account, Role
from services.newsroom.domain.login import hash_cookie
from services.newsroom.handlers.login import TOTP_PURPOSE
from shared.encryption import KeyRing
from tests.databases import FreshDatabase, insert_row
from tests.harness.processes import ServiceProcess, build_service_command, run_child
from tests.servers import WAIT_TIMEOUT_SECONDS

KEYS = f"1:{base64.b64encode(bytes(range(32))).decode()}"
PASSWORD = "Regen fällt leise auf Moor"
COOKIE = "kreisfunk-session"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
ALL_ROLES = frozenset(Role)
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class ShownPage:
    """A response to a browser; `location` is the target of a redirect."""

    status: int
    text: str
    headers: Mapping[str, str]
    cookies: tuple[str, ...]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def csrf(self) -> str:
        match = _CSRF.search(self.text)
        return match[1] if match else ""

    def read_value(self, name: str) -> str:
        match = re.search(rf'name="{name}"[^>]* value="([^"]*)"', self.text)
        assert match, name
        return match[1]


@dataclass(frozen=True, kw_only=True)
class EditorBrowser:
    """A browser that does not follow redirects."""

    url: str
    session: ClientSession = field(repr=False)

    async def open(self, path: str, **headers: str) -> ShownPage:
        return await self.request("GET", path, headers=headers)

    async def read(self, path: str) -> str:
        return (await self.open(path)).text

    async def send(
        self, path: str, fields: Mapping[str, object] | None = None, *, csrf: str, site: str = "same-origin"
    ) -> ShownPage:
        """Send a form as our own pages do."""
        pairs = [("csrf", csrf)]
        for name, value in (fields or {}).items():
            values = value if isinstance(value, list | tuple) else [value]
            pairs += [(name, str(item)) for item in values]
        return await self.request("POST", path, data=pairs, headers={"Sec-Fetch-Site": site})

    async def log_out(self) -> ShownPage:
        return await self.fill_in("/profil", "/abmelden")

    async def fill_in(self, page: str, path: str, **fields: object) -> ShownPage:
        return await self.send(path, fields, csrf=(await self.open(page)).csrf)

    async def request(
        self, method: str, path: str, *, data: object = None, headers: Mapping[str, str] | None = None
    ) -> ShownPage:
        async with self.session.request(
            method, URL(self.url + path, encoded=True), data=data, headers=headers, allow_redirects=False
        ) as response:
            is_stream = response.content_type == "text/event-stream"  # it has no end
            return ShownPage(
                status=response.status,
                text="" if is_stream else await response.text(),
                headers=response.headers,
                cookies=tuple(response.headers.getall("Set-Cookie", [])),
            )


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of the press office; `next_code` makes one-time codes, each later than the last."""

    account: Account
    secret: bytes = field(repr=False)
    _steps: list[int] = field(default_factory=list, repr=False)

    def next_code(self) -> str:
        """Return an unused code; a second one within half a minute is that of the next step, which is accepted, too."""
        step = max([int(time.time()) // 30, *(used + 1 for used in self._steps)])
        self._steps.append(step)
        return pyotp.HOTP(base64.b32encode(self.secret).decode()).at(step)


@dataclass(frozen=True, kw_only=True)
class NewsroomProcess(ServiceProcess):
    url: str
    archive_url: str
    database: FreshDatabase
    owner: asyncpg.Connection = field(repr=False)

    async def add_member(self, *roles: Role, person: UUID | None = None, password: str = PASSWORD) -> Member:
        """Add a member who has set up their login."""
        login = f"m-{secrets.token_hex(5)}"
        account = Account(
            id=uuid4(), login=login, name=f"Mina {login}", person=person or uuid4(), roles=frozenset(roles)
        )
        secret = secrets.token_bytes(20)
        sealed = KeyRing.parse(KEYS).encrypt(secret, purpose=TOTP_PURPOSE, index=account.id.bytes)
        await insert_account(self.owner, account, password_hash=await _hash_once(password), totp_secret=sealed)
        return Member(account=account, secret=secret)

    async def begin_session(self, account: UUID, stage: str = "open") -> str:
        """Begin a session of the account, and return its cookie."""
        token = secrets.token_urlsafe(32)
        await self.owner.execute(
            "insert into newsroom.session (token_hash, account, csrf, stage) values ($1, $2, $3, $4)",
            *(hash_cookie(token), account, secrets.token_urlsafe(32), stage),
        )
        return token

    @asynccontextmanager
    async def open_browser(self, member: Member | None = None, *, stage: str = "open") -> AsyncIterator[EditorBrowser]:
        """Open a browser with a session of the member, as if they had logged in before."""
        jar = CookieJar(unsafe=True)
        if member is not None:
            jar.update_cookies({COOKIE: await self.begin_session(member.account.id, stage)}, URL(self.url))
        timeout = ClientTimeout(total=WAIT_TIMEOUT_SECONDS)
        async with ClientSession(cookie_jar=jar, timeout=timeout) as session:
            yield EditorBrowser(url=self.url, session=session)

    @asynccontextmanager
    async def open_as(self, *roles: Role, person: UUID | None = None) -> AsyncIterator[EditorBrowser]:
        """Open a browser in which a new member with these roles has logged in."""
        async with self.open_browser(await self.add_member(*roles, person=person)) as browser:
            yield browser

    async def count_failures(self, scope: str, key: str, failures: int) -> None:
        """Record failed logins directly, without the slow hashing of each."""
        await self.owner.execute(
            "insert into newsroom.login_failure values ($1, $2, $3, now())"
            " on conflict (scope, key) do update set failures = $3, failed_at = now()",
            *(scope, key, failures),
        )

    async def read_failures(self) -> dict[tuple[str, str], int]:
        """Return the number of failed logins by scope and key."""
        rows = await self.owner.fetch("select scope, key, failures from newsroom.login_failure")
        return {(row["scope"], row["key"]): row["failures"] for row in rows}

    async def read_audit(self) -> list[tuple[str, str]]:
        """Return action and object of each act, oldest first."""
        rows = await self.owner.fetch("select action, object from newsroom.audit order by id")
        return [(row["action"], row["object"]) for row in rows]


async def log_in(
    browser: EditorBrowser, login: str, password: str = PASSWORD, code: str = "", **more: str
) -> ShownPage:
    return await browser.send("/anmelden", {"login": login, "password": password, "code": code, **more}, csrf="")


async def insert_account(owner: asyncpg.Connection, account: Account, **columns: object) -> None:
    """Insert the account with further columns of its row."""
    own = {"id": account.id, "login": account.login, "name": account.name, "person": account.person}
    await insert_row(owner, "newsroom.account", {**own, "roles": sorted(account.roles), **columns})


_hashes: dict[str, str] = {}


async def _hash_once(password: str) -> str:
    """Return the hash from a cache, as hashing is slow on purpose."""
    if password not in _hashes:
        _hashes[password] = await Argon2PasswordHasher().hash(password)
    return _hashes[password]


@asynccontextmanager
async def run_newsroom(
    broker_url: str,
    database: FreshDatabase,
    folder: Path,
    *,
    notices_api_url: str = "http://127.0.0.1:9",
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[NewsroomProcess]:
    """Run the newsroom; yield it once it is ready."""
    with reserve_ports(3) as (internal_port, port, archive_port):
        url, archive_url = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{archive_port}"
        command = build_service_command(
            "newsroom",
            folder / "newsroom.log",
            {
                "KREISFUNK_BROKER_URL": broker_url,
                "KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_newsroom"),
                "KREISFUNK_NEWSROOM_ASSETS": str(folder / "no-assets"),
                "KREISFUNK_NEWSROOM_KEYS": KEYS,
                "KREISFUNK_NOTICES_API_TOKEN": "kreisfunk_only-for-tests",
                "KREISFUNK_INTERNAL_PORT": str(internal_port),
                "KREISFUNK_NEWSROOM_PORT": str(port),
                "KREISFUNK_ARCHIVE_PORT": str(archive_port),
                "KREISFUNK_NEWSROOM_URL": url,
                "KREISFUNK_ARCHIVE_URL": archive_url,
                "KREISFUNK_NOTICES_API_URL": notices_api_url,
                **(settings or {}),
            },
        )
        owner = await asyncpg.connect(database.url)
        newsroom = NewsroomProcess(
            url=url,
            archive_url=archive_url,
            internal_url=f"http://{LOOPBACK}:{internal_port}",
            database=database,
            child=Child(command),
            owner=owner,
        )
        try:
            async with run_child(newsroom.child, newsroom.is_ready):
                yield newsroom
        finally:
            await owner.close()
