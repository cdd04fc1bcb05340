"""A CAP alert from XML. Document types, entities and references to elsewhere are refused, not resolved."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Never
from xml.etree.ElementTree import Element

from cli.feeds.plain import one_line
from cli.feeds.xml_reader import XmlRefused, read_xml

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MOST_BYTES = 1_000_000
MOST_INFOS = 100
MOST_AREAS = 1000
LONGEST_ID = 500
LONGEST_WORDS = 10_000


class NotAnAlert(ValueError):
    """Bytes that are no CAP 1.2 alert; the text says why, and repeats nothing of them."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """`geocodes` are pairs of a scheme and a code."""

    description: str
    geocodes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Info:
    """One language's words for one event; all of them plain lines."""

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
    areas: tuple[Area, ...]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """`references` are pairs of the sender and the identifier of earlier alerts."""

    identifier: str
    sender: str
    sent: datetime
    status: str
    kind: str
    scope: str
    references: tuple[tuple[str, str], ...]
    infos: tuple[Info, ...]


def is_alert(body: bytes) -> bool:
    """Whether the root element is that of CAP, of any version."""
    root = _root(body)
    return root.tag.rpartition("}")[2] == "alert"


def read_alert(body: bytes) -> Alert:
    """Raises NotAnAlert."""
    root = _root(body)
    if root.tag != _tag("alert"):
        raise NotAnAlert(f"the root element must be alert of {NAMESPACE}")
    return Alert(
        identifier=_identifier(root, "identifier"),
        sender=_identifier(root, "sender"),
        sent=_moment(root, "sent") or _missing("sent"),
        status=_required(root, "status"),
        kind=_required(root, "msgType"),
        scope=_required(root, "scope"),
        references=tuple(_references(_text(root, "references"))),
        infos=tuple(_info(info) for info in root.findall(_tag("info"))[:MOST_INFOS]),
    )


def _root(body: bytes) -> Element:
    if len(body) > MOST_BYTES:
        raise NotAnAlert(f"it has more than {MOST_BYTES} bytes")
    try:
        return read_xml(body)
    except XmlRefused as error:
        raise NotAnAlert(str(error)) from None


def _info(info: Element) -> Info:
    return Info(
        language=(_text(info, "language") or "en-US").lower(),
        event=_text(info, "event")[:LONGEST_WORDS],
        headline=_text(info, "headline")[:LONGEST_WORDS],
        description=_text(info, "description")[:LONGEST_WORDS],
        instruction=_text(info, "instruction")[:LONGEST_WORDS],
        web=_text(info, "web"),
        categories=tuple(_texts(info, "category")),
        responses=tuple(_texts(info, "responseType")),
        urgency=_text(info, "urgency"),
        severity=_text(info, "severity"),
        expires=_moment(info, "expires"),
        areas=tuple(_area(area) for area in info.findall(_tag("area"))[:MOST_AREAS]),
    )


def _area(area: Element) -> Area:
    codes = ((_text(code, "valueName"), _text(code, "value")) for code in area.findall(_tag("geocode"))[:MOST_AREAS])
    return Area(description=_text(area, "areaDesc"), geocodes=tuple(codes))


def _references(text: str) -> Iterator[tuple[str, str]]:
    """`sender,identifier,sent` of each, with spaces between; what is written otherwise refers to nothing."""
    for reference in text.split():
        parts = reference.split(",")
        if len(parts) == 3:
            yield parts[0], parts[1]


def _moment(parent: Element, name: str) -> datetime | None:
    """With an offset, as CAP asks for."""
    text = _text(parent, name)
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise NotAnAlert(f"{name} must be a date and time") from None
    if moment is not None and moment.tzinfo is None:
        raise NotAnAlert(f"{name} must have an offset")
    return moment


def _identifier(parent: Element, name: str) -> str:
    text = _required(parent, name)
    if len(text) > LONGEST_ID:
        raise NotAnAlert(f"{name} has more than {LONGEST_ID} characters")
    return text


def _required(parent: Element, name: str) -> str:
    return _text(parent, name) or _missing(name)


def _missing(name: str) -> Never:
    raise NotAnAlert(f"{name} is missing")


def _text(parent: Element, name: str) -> str:
    return next(_texts(parent, name), "")


def _texts(parent: Element, name: str) -> Iterator[str]:
    for element in parent.findall(_tag(name)):
        text = one_line("".join(element.itertext()))
        if text:
            yield text


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
