"""The file of tokens for the notices API, changed under a lock and written atomically."""

import base64
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from deploy.atomic_write import lock_folder, write_secret
from shared.notices.tokens import RANDOM_BYTES, TOKEN_PREFIX, Token, TokenList, hash_token

Tokens = tuple[Token, ...]


class TokenFileError(Exception):
    """The file cannot be read or written; the text says why."""


def generate_token(random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    return TOKEN_PREFIX + base64.urlsafe_b64encode(random(RANDOM_BYTES)).decode().rstrip("=")


def generate_token_id(system: str) -> str:
    return f"{system}-{secrets.token_hex(3)}"


def read_tokens(file: Path) -> Tokens:
    """Return all tokens; none if there is no file. Raises TokenFileError."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=TokenList).tokens
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TokenFileError(f"{file}: {error}") from None


def add_token(
    file: Path,
    text: str,
    *,
    identifier: str,
    system: str,
    now: datetime,
    topics: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> Token:
    """Add a token, replacing one with the same id. Raises TokenFileError."""
    token = Token(
        id=identifier,
        system=system,
        sha256=hash_token(text),
        created_at=now,
        topics=tuple(topics),
        expires_at=expires_at,
    )
    _change(file, lambda tokens: (*(other for other in tokens if other.id != identifier), token))
    return token


def remove_tokens(file: Path, matches: Callable[[Token], bool]) -> Tokens:
    """Remove and return all tokens that match. Raises TokenFileError."""
    removed: list[Token] = []

    def drop_matches(tokens: Tokens) -> Tokens:
        removed.extend(token for token in tokens if matches(token))
        return tuple(token for token in tokens if not matches(token))

    _change(file, drop_matches)
    return tuple(removed)


def _change(file: Path, change: Callable[[Tokens], Tokens]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock_folder(file.parent):
            tokens = change(read_tokens(file))
            write_secret(file, msgspec.json.format(msgspec.json.encode(TokenList(tokens=tokens))).decode() + "\n")
    except OSError as error:
        raise TokenFileError(f"{file}: {error.strerror}") from None
