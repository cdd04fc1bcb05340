"""Validation of a notice's content; fields with schema errors are skipped."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.notices.configuration import Configuration, Topic
from shared.notices.links import contains_foreign_host
from shared.notices.systems import System

# A template's body holds 1,024 characters, our fixed text less than 150 of them.
MAX_CONTENT_LENGTH = 870

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_BREAKS = re.compile("[\n\r\t\v\f\x1c-\x1e\x85\u2028\u2029]")
_GAP = re.compile(r" {5}")
_PLACEHOLDER = re.compile(r"\{\{|\}\}")


def validate_content(
    data: Mapping[str, Any],
    wrong: frozenset[str],
    *,
    envelope: Envelope,
    system: System | None,
    configuration: Configuration,
    now: datetime,
) -> Iterator[Problem]:
    """Yield the problems of the fields without schema errors; those in `wrong` have one."""
    right = {field: value for field, value in data.items() if field not in wrong and value is not None}
    topic = configuration.find_topic(right.get("topic", ""))
    if "topic" in right:
        yield from _validate_topic(right["topic"], system, configuration)
    yield from _validate_municipalities(right.get("municipalities", ()), topic, configuration)
    for field in _select_present(right, "headline", "text"):
        problems = (*_validate_characters(field, right[field]), *validate_links(field, right[field], configuration))
        yield from problems[:1]
    for field in _select_present(right, "link", "picture"):
        yield from _validate_url(field, right[field], configuration)
    if "picture" in right and topic is not None and topic.picture_template is None:
        yield Problem(field="picture", problem=f"the topic {topic.id} has no template with a picture")
    yield from _validate_timing(right, envelope.expirytime, now)
    if "follows" in right and right["follows"] == envelope.subject:
        yield Problem(field="follows", problem="must be another notice")
    if not wrong & {"headline", "text", "link"}:
        yield from _validate_total_length(right)


def has_control_characters(text: str) -> bool:
    """Return whether the text has control characters, which neither readers nor a database should get."""
    return any(unicodedata.category(letter) in ("Cc", "Cs") or letter in _BIDIRECTIONAL for letter in text)


def validate_links(field: str, text: str, configuration: Configuration) -> Iterator[Problem]:
    """Yield a problem if the text contains a web address whose host may not be linked to."""
    if contains_foreign_host(text, configuration.link_hosts):
        hosts = ", ".join(configuration.link_hosts) or "(none)"
        problem = f"contains an address that may not be linked to (only {hosts}): take it out"
        yield Problem(field=field, problem=f"{problem}; if it is no address, write a space after the full stop")


def _select_present(right: Mapping[str, Any], *fields: str) -> tuple[str, ...]:
    return tuple(field for field in fields if field in right)


def _validate_topic(topic: str, system: System | None, configuration: Configuration) -> Iterator[Problem]:
    permitted = system.topics if system else tuple(sorted(configuration.topic_ids))
    if topic not in permitted:
        yield Problem(field="topic", problem=f"this system may publish about {', '.join(permitted)} only")


def _validate_municipalities(
    names: Sequence[str], topic: Topic | None, configuration: Configuration
) -> Iterator[Problem]:
    unknown = [name for name in names if name not in configuration.municipalities]
    if unknown:
        known = ", ".join(configuration.municipalities) or "(none)"
        yield Problem(field="municipalities", problem=f"{len(unknown)} of them unknown; the county has {known}")
    if names and topic is not None and not topic.local:
        local = ", ".join(sorted(configuration.local_topics)) or "(none)"
        yield Problem(field="municipalities", problem=f"only for the local topics {local}")


def _validate_characters(field: str, text: str) -> Iterator[Problem]:
    """Yield the first problem with characters that Meta refuses in a template parameter, or that could deceive."""
    if all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in text):
        yield Problem(field=field, problem="is blank")
    elif _LINE_BREAKS.search(text):
        yield Problem(field=field, problem="contains a line break or a tab; WhatsApp allows neither, write one line")
    elif has_control_characters(text):
        yield Problem(field=field, problem="contains control characters")
    elif _GAP.search(text):
        yield Problem(field=field, problem="contains more than 4 spaces in a row; WhatsApp allows no more")
    elif _PLACEHOLDER.search(text):
        yield Problem(field=field, problem="contains {{ or }}, which mark placeholders of a template")


def _validate_url(field: str, address: str, configuration: Configuration) -> Iterator[Problem]:
    try:
        parts = urlsplit(address)
        plain = parts.username is None and parts.password is None and parts.port in (None, 443)
    except ValueError:
        yield Problem(field=field, problem="is not a valid address")
        return
    if parts.hostname not in configuration.link_hosts:
        yield Problem(field=field, problem=f"its host must be one of {', '.join(configuration.link_hosts) or '(none)'}")
    elif not plain:
        yield Problem(field=field, problem="must have neither a login nor a port")
    elif not address.isprintable():
        yield Problem(field=field, problem="contains control characters")


def _validate_timing(right: Mapping[str, Any], expirytime: datetime | None, now: datetime) -> Iterator[Problem]:
    begins = now
    if "scheduled_at" in right:
        begins = msgspec.convert(right["scheduled_at"], datetime)
        if begins <= now:
            yield Problem(field="scheduled_at", problem="is in the past; leave it out to send at once")
        if expirytime is not None and begins >= expirytime:
            yield Problem(field="scheduled_at", problem="must be before expirytime")
    if "spread_minutes" in right:
        yield from _validate_spread(right, begins, expirytime)


def _validate_spread(right: Mapping[str, Any], begins: datetime, expirytime: datetime | None) -> Iterator[Problem]:
    if right.get("urgent") is True:
        yield Problem(field="spread_minutes", problem="is not for what is urgent")
    if right.get("follows") is not None:
        yield Problem(field="spread_minutes", problem="is not for what follows an earlier notice")
    if expirytime is not None and expirytime - begins < timedelta(minutes=right["spread_minutes"]):
        yield Problem(field="spread_minutes", problem="goes beyond expirytime")


def _count_utf16_units(text: str) -> int:
    """Count UTF-16 units, the strictest measure that anyone applies: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _validate_total_length(right: Mapping[str, Any]) -> Iterator[Problem]:
    length = sum(_count_utf16_units(right.get(field) or "") for field in ("headline", "text", "link"))
    if length > MAX_CONTENT_LENGTH:
        yield Problem(
            field="text",
            problem=f"headline, text and link have {length} characters; {MAX_CONTENT_LENGTH} fit together",
        )
