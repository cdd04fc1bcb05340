"""Sessions of browsers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.newsroom.domain.accounts import Account


class SessionStage(StrEnum):
    """Stage of a session: `setup` until its owner has chosen a password and set up one-time codes."""

    SETUP = "setup"
    OPEN = "open"


@dataclass(frozen=True)
class SessionLimits:
    """Limits of a session: how long it lasts without a request, and at most."""

    idle: timedelta
    total: timedelta


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Owner of a session; `csrf` is what each form of the session carries."""

    account: Account
    session: bytes
    csrf: str
    stage: SessionStage


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """Session to be stored under the hash of its token."""

    token_hash: bytes
    account: UUID
    csrf: str
    stage: SessionStage


@dataclass(frozen=True, kw_only=True)
class OpenSession:
    """Open session of an account, as its owner sees it."""

    token_hash: bytes
    created_at: datetime
    seen_at: datetime
