"""Login rules: delays after failures, passwords, one-time codes, recovery codes, destination after login."""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlsplit

import pyotp

from services.newsroom.domain.accounts import Account
from services.newsroom.domain.identity import ProviderSubject


class SessionStage(StrEnum):
    """Stage of a session: `setup` until its owner has chosen a password and set up one-time codes."""

    SETUP = "setup"
    OPEN = "open"


@dataclass(frozen=True)
class SessionLimits:
    """Limits of a session: maximum time without a request, and maximum lifetime."""

    idle: timedelta
    total: timedelta


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Owner of a session; `csrf` is the token in each form of the session."""

    account: Account
    session: bytes
    csrf: str
    stage: SessionStage


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Account with its means of login: password and one-time codes, or the identity provider.

    `password_ends_at` is the expiry of a first password, which permits nothing but setting up a login.
    """

    account: Account
    password_hash: str | None
    password_ends_at: datetime | None
    totp_sealed: bytes | None = None
    totp_step: int = 0
    subject: ProviderSubject | None = None


@dataclass(frozen=True, kw_only=True)
class OpenSession:
    """Open session of an account, as its owner sees it."""

    token_hash: bytes
    created_at: datetime
    seen_at: datetime


ENDED = "Ihre Anmeldung wurde inzwischen beendet. Bitte melden Sie sich noch einmal an."
ISSUER = "Kreisfunk-Redaktion"
STEP_SECONDS = 30
ACCEPTED_DRIFT_STEPS = 1
MAX_LOGIN_LENGTH = 40
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 200
FIRST_PASSWORD_LIFETIME = timedelta(days=7)
RECOVERY_CODE_COUNT, RECOVERY_CODE_BYTES = 10, 10
FAILURE_LIFETIME = timedelta(days=1)
MAX_DELAY_SECONDS = 900.0
_CODE = re.compile(r"[0-9]{6}")
_SEPARATORS = re.compile(r"[\s-]+")


class LoginProof(StrEnum):
    """Proof of identity at login, in addition to the account's own password."""

    FIRST_PASSWORD = "first_password"  # noqa: S105 - no password
    ONE_TIME_CODE = "one_time_code"
    RECOVERY_CODE = "recovery_code"
    IDENTITY_PROVIDER = "identity_provider"


class FailureScope(StrEnum):
    """Scope in which failed logins are counted."""

    LOGIN = "login"
    ADDRESS = "address"
    DEVICE = "device"


# Many colleagues share an address, so its limit is high; that of a login is low, as many addresses may attack it.
_FREE_FAILURES: Mapping[FailureScope, int] = {FailureScope.LOGIN: 5, FailureScope.ADDRESS: 20, FailureScope.DEVICE: 5}


def list_counters(login: str, address: str, device: str | None) -> Mapping[FailureScope, str]:
    """Return the counter key of an attempt in each scope in which it counts.

    A browser in which the account has logged in before has a counter of its own, so attempts of others on the same
    login or from the same address cannot lock its user out.
    """
    if device is not None:
        return {FailureScope.DEVICE: device}
    return {FailureScope.ADDRESS: address, FailureScope.LOGIN: login}


def compute_wait(scope: FailureScope, failures: int, failed_at: datetime, now: datetime) -> float:
    """Return the seconds until the next attempt, 0 if it is permitted now."""
    excess = failures - _FREE_FAILURES[scope]
    since = (now - failed_at).total_seconds()
    if excess < 0 or since >= FAILURE_LIFETIME.total_seconds():
        return 0.0
    delay = min(MAX_DELAY_SECONDS, 2.0 ** min(excess, 20))
    return max(0.0, delay - since)


def find_password_problem(password: str, login: str, name: str) -> str | None:
    """Return what is wrong with a new password, in German; None if it is acceptable."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        return f"Das Kennwort braucht {MIN_PASSWORD_LENGTH} bis {MAX_PASSWORD_LENGTH} Zeichen."
    if len(set(password)) < 5:
        return "Das Kennwort besteht aus zu wenigen verschiedenen Zeichen."
    parts = [login, *name.lower().split()]
    rest = password.lower()
    for part in parts:
        rest = rest.replace(part, "") if len(part) > 2 else rest
    if len(rest) < MIN_PASSWORD_LENGTH // 2:
        return "Das Kennwort darf nicht aus Ihrem Namen bestehen."
    return None


def build_totp_uri(secret: str, login: str) -> str:
    """Return the content of the QR code for an authenticator app."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=login, issuer_name=ISSUER)


def encode_totp_secret(random: bytes) -> str:
    """Return the secret in base32, as authenticator apps expect it."""
    return base64.b32encode(random).decode()


def find_totp_step(secret: str, code: str, now: datetime, after: int) -> int | None:
    """Return the time step of a code, None if it is wrong or its step is not later than `after`."""
    text = _SEPARATORS.sub("", code)
    if not _CODE.fullmatch(text):
        return None
    current = int(now.timestamp()) // STEP_SECONDS
    generator = pyotp.HOTP(secret)
    steps = range(current - ACCEPTED_DRIFT_STEPS, current + ACCEPTED_DRIFT_STEPS + 1)
    matching = [step for step in steps if hmac.compare_digest(generator.at(step), text)]
    return next((step for step in matching if step > after), None)


def encode_recovery_code(random: bytes) -> str:
    """Return a recovery code in groups of four."""
    text = base64.b32encode(random).decode()
    return "-".join(text[index : index + 4] for index in range(0, len(text), 4))


def hash_recovery_code(code: str) -> bytes:
    """Return the hash of a typed code. A fast hash suffices: a code has 80 random bits."""
    return sha256(_SEPARATORS.sub("", code).upper().encode()).digest()


def hash_cookie(token: str) -> bytes:
    """Return the hash under which a session or device is stored; a cookie may contain any bytes."""
    return sha256(token.encode(errors="surrogatepass")).digest()


def choose_destination(path: str, default: str = "/") -> str:
    """Return the path to open after login, `default` unless it is a local path."""
    is_local = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    if not is_local or not path.isascii() or " " in path or len(path) > 500:
        return default
    parts = urlsplit(path)
    return default if parts.scheme or parts.netloc else path
