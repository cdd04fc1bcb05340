"""What is wrong with a notice: every problem at once, each with its field and what would be right."""

import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from services.subscriptions.domain.county import County
from shared.contracts.events import Problem
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished

# A template's body holds 1,024 characters, the fixed words of ours less than 150.
LONGEST_CONTENT = 870
LATEST_EXPIRY = timedelta(days=366)

_LINE_BREAKS = "\n\r\t"
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shape_problems(data: object, kind: type[Message]) -> tuple[Problem, ...]:
    """What keeps decoded JSON from being this message: missing fields, wrong types, lengths, patterns."""
    if not isinstance(data, dict):
        return (Problem(field="data", problem="must be an object"),)
    return tuple(_shape(data, kind))


def _shape(data: dict[str, Any], kind: type[Message]) -> Iterator[Problem]:
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in data:
            if field.required:
                yield Problem(field=field.encode_name, problem="is missing")
            continue
        try:
            msgspec.convert(data[field.encode_name], field.type)
        except msgspec.ValidationError as error:
            yield Problem(field=field.encode_name, problem=str(error).replace("`", ""))


def notice_problems(data: object, county: County, now: datetime) -> tuple[Problem, ...]:
    """All that keeps decoded JSON from becoming a broadcast; empty means it may."""
    shape = shape_problems(data, NoticePublished)
    if not isinstance(data, dict):
        return shape
    wrong = {problem.field for problem in shape}
    content = tuple(problem for problem in _content(data, county, now, wrong) if problem.field not in wrong)
    return shape + content


def _content(data: dict[str, Any], county: County, now: datetime, wrong: set[str]) -> Iterator[Problem]:
    """Rules beyond the shape; those about fields in `wrong` are not looked at."""
    if "topic" not in wrong:
        yield from _audience(data, county, wrong)
    if "expires_at" not in wrong:
        yield from _expiry(msgspec.convert(data["expires_at"], datetime), now)
    for field, allowed in (("headline", ""), ("text", _LINE_BREAKS)):
        if field not in wrong:
            yield from _characters(field, data[field], allowed)
    if "link" not in wrong:
        yield from _link(data.get("link"), county)
    if not wrong & {"spread_minutes", "follows"}:
        yield from _spread_and_follows(data, now, wrong)
    if not wrong & {"headline", "text", "link"}:
        yield from _together(data)


def _audience(data: dict[str, Any], county: County, wrong: set[str]) -> Iterator[Problem]:
    if data["topic"] not in county.topic_ids:
        yield Problem(field="topic", problem=f"unknown; one of {', '.join(sorted(county.topic_ids))}")
    if "municipality" not in wrong:
        yield from _municipality(data.get("municipality"), data["topic"], county)


def _municipality(municipality: str | None, topic: str, county: County) -> Iterator[Problem]:
    if municipality is None:
        return
    if municipality not in county.municipalities:
        yield Problem(field="municipality", problem=f"unknown; one of {', '.join(county.municipalities) or '(none)'}")
    if topic not in county.local_topics:
        yield Problem(field="municipality", problem="is for local topics only")


def _expiry(expires_at: datetime, now: datetime) -> Iterator[Problem]:
    if expires_at <= now:
        yield Problem(field="expires_at", problem="is in the past")
    if expires_at > now + LATEST_EXPIRY:
        yield Problem(field="expires_at", problem=f"must be within {LATEST_EXPIRY.days} days")


def _spread_and_follows(data: dict[str, Any], now: datetime, wrong: set[str]) -> Iterator[Problem]:
    if data.get("follows") is not None and data["follows"] == data.get("notice"):
        yield Problem(field="follows", problem="must be another notice")
    minutes = data.get("spread_minutes")
    if minutes is None:
        return
    if data.get("urgent") is True:
        yield Problem(field="spread_minutes", problem="is not for what is urgent")
    if data.get("follows") is not None:
        yield Problem(field="spread_minutes", problem="is not for what follows an earlier notice")
    if "expires_at" not in wrong and now + timedelta(minutes=minutes) > msgspec.convert(data["expires_at"], datetime):
        yield Problem(field="spread_minutes", problem="goes beyond expires_at")


def _characters(field: str, text: str, allowed: str) -> Iterator[Problem]:
    if any(_forbidden(letter) and letter not in allowed for letter in text):
        yield Problem(field=field, problem="contains control characters")
    if not text.strip():
        yield Problem(field=field, problem="is blank")


def _forbidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in _BIDIRECTIONAL


def _link(link: str | None, county: County) -> Iterator[Problem]:
    if link is None:
        return
    try:
        parts = urlsplit(link)
        plain = parts.username is None and parts.port in (None, 443)
    except ValueError:
        yield Problem(field="link", problem="is not a valid address")
        return
    if parts.hostname not in county.link_hosts:
        yield Problem(field="link", problem=f"host must be one of {', '.join(county.link_hosts) or '(none)'}")
    if not plain:
        yield Problem(field="link", problem="must have neither a login nor a port")


def _together(data: dict[str, Any]) -> Iterator[Problem]:
    length = sum(len(data.get(field) or "") for field in ("headline", "text", "link"))
    if length > LONGEST_CONTENT:
        yield Problem(
            field="text",
            problem=f"headline, text and link have {length} characters; {LONGEST_CONTENT} fit together",
        )
