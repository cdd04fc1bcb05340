"""Login and logout: password, one-time code or recovery code, and their first setup."""

from asyncio import Semaphore
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_bytes, token_urlsafe

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.accounts import NotPermitted
from services.newsroom.domain.audit import Act
from services.newsroom.domain.login import (
    ENDED,
    MAX_LOGIN_LENGTH,
    RECOVERY_CODE_BYTES,
    RECOVERY_CODE_COUNT,
    Credentials,
    FailureScope,
    LoginProof,
    SessionStage,
    Visitor,
    encode_recovery_code,
    encode_totp_secret,
    find_password_problem,
    find_totp_step,
    hash_cookie,
    hash_recovery_code,
    list_counters,
)
from shared.encryption import EncryptionError, KeyRing
from shared.runtime.clock import Clock

TOTP_PURPOSE = "newsroom-totp"
SETUP_PURPOSE = "newsroom-totp-setup"
TOTP_SECRET_BYTES = 20
COOKIE_BYTES = 32
# Maximum concurrent logins from unknown browsers: each computes a slow hash, for which others wait.
MAX_STRANGERS = 10


class LoginRefused(Exception):
    """Raised without details when name, password or code is wrong, or when the next attempt has to wait."""

    def __init__(self, wait_seconds: float = 0) -> None:
        super().__init__("login refused")
        self.wait_seconds = wait_seconds


class LoginBusy(Exception):
    """Raised when too many logins are being checked; this one was not."""


class SetupRefused(Exception):
    """Raised when the input cannot be used; `problems` are by field, in German."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("setup refused")
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class StartedSession:
    """Cookies of a new session; `device` is None if the browser is not remembered."""

    token: str
    device: str | None


@dataclass(frozen=True, kw_only=True)
class LoginService:
    """Logins, sessions, and changes of a login by its owner.

    Logins from unknown browsers are limited by the semaphore `strangers`; known browsers have their own counters.
    """

    accounts: PostgresAccountRepository
    sessions: PostgresSessionRepository
    hasher: Argon2PasswordHasher
    ring: KeyRing
    clock: Clock
    count: Callable[[str], None]
    strangers: Semaphore = field(default_factory=lambda: Semaphore(MAX_STRANGERS))

    async def log_in(self, login: str, password: str, code: str, address: str, device: str | None) -> StartedSession:
        """Return a new session; `device` is the cookie of the browser. Raises LoginRefused or LoginBusy."""
        login = login.strip().lower()[:MAX_LOGIN_LENGTH]
        if device and await self.sessions.is_device_of(hash_cookie(device), login):
            return await self._log_in(login, password, code, address, device)
        if self.strangers.locked():
            raise LoginBusy
        async with self.strangers:
            return await self._log_in(login, password, code, address, None)

    async def _log_in(self, login: str, password: str, code: str, address: str, device: str | None) -> StartedSession:
        counters = list_counters(login, address, hash_cookie(device).hex() if device else None)
        now = self.clock()
        wait, failed_at = await self.sessions.reserve_attempt(counters, now)
        if wait:
            self.count("delayed")
            raise LoginRefused(wait)
        credentials = await self.accounts.find_credentials(login)
        proof = await self._check(credentials, password, code)
        started = await self.start_session(credentials, proof, device) if credentials and proof else None
        if started is None:
            self.count("failed")
            raise LoginRefused
        await self.sessions.settle_attempt(counters, now, failed_at)
        self.count("succeeded")
        return started

    async def _check(self, credentials: Credentials | None, password: str, code: str) -> LoginProof | None:
        hashed = credentials.password_hash if credentials else None
        is_right = await self.hasher.verify(hashed, password)
        if credentials is None or not is_right or credentials.account.is_disabled:
            return None
        if credentials.totp_sealed is None:
            ends_at = credentials.password_ends_at
            return LoginProof.FIRST_PASSWORD if ends_at is not None and self.clock() < ends_at else None
        return await self._check_code(credentials, code)

    async def _check_code(self, credentials: Credentials, code: str) -> LoginProof | None:
        account = credentials.account.id
        try:
            secret = self.ring.decrypt(credentials.totp_sealed or b"", purpose=TOTP_PURPOSE, index=account.bytes)
        except EncryptionError:
            return None
        step = find_totp_step(encode_totp_secret(secret), code, self.clock(), credentials.totp_step)
        if step is not None:
            return LoginProof.ONE_TIME_CODE if await self.accounts.use_totp_step(account, step) else None
        is_used = await self.accounts.use_recovery_code(account, hash_recovery_code(code), self.clock())
        return LoginProof.RECOVERY_CODE if is_used else None

    async def start_session(
        self, credentials: Credentials, proof: LoginProof, device: str | None = None
    ) -> StartedSession | None:
        """Return a new session, None if the account has been disabled or given another login since."""
        account, token = credentials.account, token_urlsafe(COOKIE_BYTES)
        stage = SessionStage.SETUP if proof is LoginProof.FIRST_PASSWORD else SessionStage.OPEN
        if proof in (LoginProof.ONE_TIME_CODE, LoginProof.RECOVERY_CODE):
            device = device or token_urlsafe(COOKIE_BYTES)
        act = Act(account=account.id, action="session.opened", object=account.login, detail={"proof": proof.value})
        device_hash = hash_cookie(device) if device else None
        is_open = await self.sessions.open_session(
            hash_cookie(token), token_urlsafe(COOKIE_BYTES), stage, credentials, device_hash, act
        )
        return StartedSession(token=token, device=device) if is_open else None

    async def replace_session(self, changed: Credentials, proof: LoginProof) -> StartedSession:
        """Return a new session after a change of the login. Raises NotPermitted if it has been changed again since."""
        started = await self.start_session(changed, proof)
        if started is None:
            raise NotPermitted(ENDED)
        return started

    async def log_out(self, visitor: Visitor) -> None:
        act = Act(account=visitor.account.id, action="session.closed", object=visitor.account.login)
        await self.sessions.end_session(visitor.session, self.clock(), act)

    def begin_setup(self, visitor: Visitor) -> str:
        """Return a new secret of one-time codes, encrypted for a form of this session."""
        secret = token_bytes(TOTP_SECRET_BYTES)
        return self.ring.encrypt(secret, purpose=SETUP_PURPOSE, index=visitor.session).hex()

    def read_setup(self, visitor: Visitor, ciphertext: str) -> str:
        """Return the secret that `begin_setup` encrypted, as text for apps. Raises NotPermitted."""
        return encode_totp_secret(self.open_form(visitor, ciphertext, SETUP_PURPOSE))

    def open_form(self, visitor: Visitor, ciphertext: str, purpose: str) -> bytes:
        """Decrypt a hexadecimal value from a form of this session. Raises NotPermitted."""
        try:
            return self.ring.decrypt(bytes.fromhex(ciphertext), purpose=purpose, index=visitor.session)
        except ValueError:  # not hexadecimal, or not encrypted by us for this session
            raise NotPermitted(
                "Diese Seite gehört zu einer anderen Anmeldung. Bitte beginnen Sie noch einmal."
            ) from None

    async def set_up(
        self, visitor: Visitor, *, password: str, code: str, ciphertext: str
    ) -> tuple[StartedSession, list[str]]:
        """Store password and one-time codes; return a new session and recovery codes. Raises SetupRefused."""
        account, now = visitor.account, self.clock()
        secret = self.open_form(visitor, ciphertext, SETUP_PURPOSE)
        step = find_totp_step(encode_totp_secret(secret), code, now, after=0)
        problems = {
            "password": await self._find_password_problem(visitor, password),
            "code": None if step is not None else "Der Code passt nicht zu diesem Bild. Stimmt die Uhr des Telefons?",
        }
        if step is None or any(problems.values()):
            raise SetupRefused({name: problem for name, problem in problems.items() if problem})
        codes = _make_recovery_codes()
        new = Credentials(
            account=account,
            password_hash=await self.hasher.hash(password),
            password_ends_at=None,
            totp_sealed=self.ring.encrypt(secret, purpose=TOTP_PURPOSE, index=account.id.bytes),
            totp_step=step,
        )
        act = Act(account=account.id, action="account.set_up", object=account.login)
        await self.accounts.set_up(visitor, new, list(map(hash_recovery_code, codes)), now, act)
        return await self.replace_session(new, LoginProof.ONE_TIME_CODE), codes

    async def _find_password_problem(self, visitor: Visitor, password: str) -> str | None:
        credentials = await self.accounts.find_credentials(visitor.account.login)
        if problem := find_password_problem(password, visitor.account.login, visitor.account.name):
            return problem
        is_old = credentials is not None and await self.hasher.verify(credentials.password_hash, password)
        return "Das ist Ihr bisheriges Kennwort." if is_old else None

    async def change_password(self, visitor: Visitor, *, current: str, new: str, code: str) -> None:
        """Change the password, and end all other sessions of the account. Raises SetupRefused or LoginRefused."""
        credentials, hashed = await self._require_password(visitor, current)
        if problem := await self._find_password_problem(visitor, new):  # before the code, which can be used only once
            raise SetupRefused({"new": problem})
        act = await self._require_code(visitor, credentials, code, "account.password_changed")
        await self.accounts.change_password(visitor, hashed, await self.hasher.hash(new), self.clock(), act)

    async def replace_recovery_codes(self, visitor: Visitor, *, current: str, code: str) -> list[str]:
        """Return new recovery codes in place of all earlier ones, and end all other sessions of the account.

        Raises SetupRefused or LoginRefused.
        """
        credentials, hashed = await self._require_password(visitor, current)
        act = await self._require_code(visitor, credentials, code, "account.recovery_codes_replaced")
        codes = _make_recovery_codes()
        hashes = list(map(hash_recovery_code, codes))
        await self.accounts.replace_recovery_codes(visitor, hashed, hashes, self.clock(), act)
        return codes

    async def _require_password(self, visitor: Visitor, current: str) -> tuple[Credentials, str]:
        """Verify the password; return credentials and hash. The attempt counts as failed until `_require_code`."""
        wait, _ = await self.sessions.reserve_attempt({FailureScope.DEVICE: visitor.session.hex()}, self.clock())
        if wait:
            raise LoginRefused(wait)
        credentials = await self.accounts.find_credentials(visitor.account.login)
        hashed = credentials.password_hash if credentials else None
        is_right = await self.hasher.verify(hashed, current)
        if credentials is None or hashed is None or not is_right:
            raise SetupRefused({"current": "Das Kennwort ist falsch."})
        return credentials, hashed

    async def _require_code(self, visitor: Visitor, credentials: Credentials, code: str, action: str) -> Act:
        """Verify the code; return the act to record."""
        proof = await self._check_code(credentials, code)
        if proof is None:
            raise SetupRefused({"code": "Der Code ist falsch oder schon benutzt. Warten Sie auf den nächsten."})
        await self.sessions.settle_attempt({FailureScope.DEVICE: visitor.session.hex()})
        account, detail = visitor.account, {"proof": proof.value}
        return Act(account=account.id, action=action, object=account.login, detail=detail)

    async def end_other_sessions(self, visitor: Visitor) -> None:
        act = Act(account=visitor.account.id, action="session.others_closed", object=visitor.account.login)
        await self.sessions.end_sessions(visitor.account.id, self.clock(), act, keep=visitor.session)


def _make_recovery_codes() -> list[str]:
    return [encode_recovery_code(token_bytes(RECOVERY_CODE_BYTES)) for _ in range(RECOVERY_CODE_COUNT)]
