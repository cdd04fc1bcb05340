"""A county with two systems that must not interfere with each other, and their tokens."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deploy.paths import CONFIG
from shared.notices.tokens import Token, TokenList, hash_token

PRESS, ROADS = "pressestelle", "bauamt"
PRESS_SOURCE, ROADS_SOURCE = "/landkreis-osterholz/pressestelle", "/landkreis-osterholz/bauamt"
_SYSTEM = """
[[systems]]
name = "bauamt"
sources = ["/landkreis-osterholz/bauamt", "/landkreis-osterholz/strassen"]
topics = ["baustellen", "strassensperrungen"]
"""


def write_county(folder: Path) -> Path:
    file = folder / "county.toml"
    file.write_text((CONFIG / "county.toml").read_text() + _SYSTEM)
    return file


def text_of(name: str) -> str:
    """Return a token for tests, a different one for each name."""
    return f"kreisfunk_{name:x<43}"


def token(name: str, system: str, *, topics: tuple[str, ...] = (), expires_at: datetime | None = None) -> Token:
    return Token(
        id=name,
        system=system,
        sha256=hash_token(text_of(name)),
        topics=topics,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=expires_at,
    )


TOKENS = (
    token("press", PRESS),
    token("roads", ROADS),
    token("jobs", PRESS, topics=("stellen",)),
    token("late", PRESS, expires_at=datetime(2026, 1, 2, tzinfo=UTC)),
    token("gone", "niemand"),
)


def write_tokens(file: Path, *tokens: Token) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(TokenList(tokens=tokens)))
    draft.replace(file)
