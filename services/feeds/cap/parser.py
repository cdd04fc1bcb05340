"""Parser for CAP alerts in XML. Document types, entities and external references are refused, not resolved."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Never
from xml.etree.ElementTree import Element

from services.feeds.content import normalize_line
from services.feeds.xml_reader import XmlRefused, read_xml

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MAX_BYTES = 1_000_000
MAX_INFOS = 100
MAX_AREAS = 1000
MAX_REFERENCES = 100
MAX_ID_LENGTH = 500
MAX_TEXT_LENGTH = 10_000


class NotAnAlert(ValueError):
    """Raised when a document is not a valid CAP 1.2 alert; the text says why, without quoting it."""


@dataclass(frozen=True, kw_only=True)
class AlertArea:
    """An area; `geocodes` are pairs of scheme and code."""

    description: str
    geocodes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class AlertInfo:
    """Information about one event in one language; every text is plain and in one line."""

    language: str
    event: str
    headline: str
    description: str
    instruction: str
    web: str
    categories: tuple[str, ...]
    responses: tuple[str, ...]
    urgency: str
    severity: str
    expires: datetime | None
    areas: tuple[AlertArea, ...]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A parsed alert; `references` are pairs of sender and identifier of earlier alerts."""

    identifier: str
    sender: str
    sent: datetime
    status: str
    message_type: str
    scope: str
    references: tuple[tuple[str, str], ...]
    infos: tuple[AlertInfo, ...]


def is_alert(body: bytes) -> bool:
    """Return whether the root element is a CAP alert of any version; False if the XML is refused."""
    try:
        return _parse_root(body).tag.rpartition("}")[2] == "alert"
    except NotAnAlert:
        return False


def read_alert(body: bytes) -> Alert:
    """Parse an alert; raise NotAnAlert if it is not a valid CAP 1.2 alert."""
    root = _parse_root(body)
    if root.tag != _build_tag("alert"):
        raise NotAnAlert(f"the root element must be alert of {NAMESPACE}")
    return Alert(
        identifier=_read_identifier(root, "identifier"),
        sender=_read_identifier(root, "sender"),
        sent=_parse_time(root, "sent") or _raise_missing("sent"),
        status=_require_text(root, "status"),
        message_type=_require_text(root, "msgType"),
        scope=_require_text(root, "scope"),
        references=tuple(islice(_parse_references(_read_text(root, "references")), MAX_REFERENCES)),
        infos=tuple(_parse_info(info) for info in root.findall(_build_tag("info"))[:MAX_INFOS]),
    )


def _parse_root(body: bytes) -> Element:
    if len(body) > MAX_BYTES:
        raise NotAnAlert(f"it has more than {MAX_BYTES} bytes")
    try:
        return read_xml(body)
    except XmlRefused as error:
        raise NotAnAlert(str(error)) from None


def _parse_info(info: Element) -> AlertInfo:
    return AlertInfo(
        language=(_read_text(info, "language") or "en-US").lower(),
        event=_read_text(info, "event")[:MAX_TEXT_LENGTH],
        headline=_read_text(info, "headline")[:MAX_TEXT_LENGTH],
        description=_read_text(info, "description")[:MAX_TEXT_LENGTH],
        instruction=_read_text(info, "instruction")[:MAX_TEXT_LENGTH],
        web=_read_text(info, "web"),
        categories=tuple(_read_texts(info, "category")),
        responses=tuple(_read_texts(info, "responseType")),
        urgency=_read_text(info, "urgency"),
        severity=_read_text(info, "severity"),
        expires=_parse_time(info, "expires"),
        areas=tuple(_parse_area(area) for area in info.findall(_build_tag("area"))[:MAX_AREAS]),
    )


def _parse_area(area: Element) -> AlertArea:
    codes = (
        (_read_text(code, "valueName"), _read_text(code, "value"))
        for code in area.findall(_build_tag("geocode"))[:MAX_AREAS]
    )
    return AlertArea(description=_read_text(area, "areaDesc"), geocodes=tuple(codes))


def _parse_references(text: str) -> Iterator[tuple[str, str]]:
    """Yield sender and identifier of each space-separated `sender,identifier,sent`; skip anything else."""
    for reference in text.split():
        parts = reference.split(",")
        if len(parts) == 3:
            yield parts[0], parts[1]


def _parse_time(parent: Element, name: str) -> datetime | None:
    """Parse a time; raise NotAnAlert if it lacks the offset that CAP requires."""
    text = _read_text(parent, name)
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise NotAnAlert(f"{name} must be a date and time") from None
    if time is not None and time.tzinfo is None:
        raise NotAnAlert(f"{name} must have an offset")
    return time


def _read_identifier(parent: Element, name: str) -> str:
    text = _require_text(parent, name)
    if len(text) > MAX_ID_LENGTH:
        raise NotAnAlert(f"{name} has more than {MAX_ID_LENGTH} characters")
    return text


def _require_text(parent: Element, name: str) -> str:
    return _read_text(parent, name) or _raise_missing(name)


def _raise_missing(name: str) -> Never:
    raise NotAnAlert(f"{name} is missing")


def _read_text(parent: Element, name: str) -> str:
    return next(_read_texts(parent, name), "")


def _read_texts(parent: Element, name: str) -> Iterator[str]:
    for element in parent.findall(_build_tag(name)):
        text = normalize_line("".join(element.itertext()))
        if text:
            yield text


def _build_tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
