"""Tokens of the notices API: stored as hashes only, each for one system, and possibly only some of its topics."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Struct

from shared.notices.configuration import SystemName, TopicId

TOKEN_PREFIX = "kreisfunk_"  # noqa: S105 (how every token begins)
RANDOM_BYTES = 32
MAX_TOKEN_LENGTH = 200

TokenId = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,60}$")]


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token, without its text; with no `topics` it is valid for all topics of its system."""

    id: TokenId
    system: SystemName
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    created_at: Annotated[datetime, Meta(tz=True)]
    topics: tuple[TopicId, ...] = ()
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


class TokenList(Struct, frozen=True, kw_only=True):
    """Content of the tokens file."""

    tokens: tuple[Token, ...] = ()


def hash_token(text: str) -> str:
    """Return the hash to store. It needs neither a salt nor key stretching: a token has 256 random bits."""
    return sha256(text.encode()).hexdigest()


def find_token(text: str, tokens: Iterable[Token], now: datetime) -> Token | None:
    """Return the valid token with this text, in constant time for any position and any number of correct characters."""
    digest = hash_token(text)
    match = None
    for token in tokens:
        if hmac.compare_digest(digest, token.sha256):
            match = token
    return match if match is not None and match.is_valid(now) else None
