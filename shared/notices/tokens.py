"""Tokens for the notices API: stored as hashes only, each for one system and perhaps some of its topics."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Struct

from shared.notices.systems import SystemName, TopicId

TOKEN_PREFIX = "kreisfunk_"  # noqa: S105 (how every token begins)
RANDOM_BYTES = 32
MAX_TOKEN_LENGTH = 200

TokenId = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,60}$")]


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One token, without its text. Without `topics` it is for all topics of its system."""

    id: TokenId
    system: SystemName
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    created_at: Annotated[datetime, Meta(tz=True)]
    topics: tuple[TopicId, ...] = ()
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


class TokenList(Struct, frozen=True, kw_only=True):
    """The whole file."""

    tokens: tuple[Token, ...] = ()


def hash_token(text: str) -> str:
    """What is stored of a token. No salt and no slowness: there are 256 random bits to guess."""
    return sha256(text.encode()).hexdigest()


def find_token(text: str, tokens: Iterable[Token], now: datetime) -> Token | None:
    """The valid token with this text. Takes the same time wherever it stands and however much of it is right."""
    presented = hash_token(text)
    found = None
    for token in tokens:
        if hmac.compare_digest(presented, token.sha256):
            found = token
    return found if found is not None and found.is_valid(now) else None
