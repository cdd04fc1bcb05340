"""Events of municipal systems for tests."""

from datetime import timedelta
from typing import Any

import msgspec

from shared.contracts.envelope import Envelope
from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import identify_system
from shared.notices.configuration import Configuration, System
from shared.notices.rules import parse_notice
from tests.factories.citizens import COUNTY, NOON

SOURCE = "/landkreis-osterholz/pressestelle"
ROADS = System(name="strassen", sources=("/strassen",), topics=("baustellen", "strassensperrungen"))
KNOWN: Configuration = msgspec.structs.replace(
    COUNTY,
    systems=(*COUNTY.systems, ROADS),
    topics=tuple(msgspec.structs.replace(topic, picture_template="with_picture") for topic in COUNTY.topics),
)
EXPIRY = NOON + timedelta(hours=6)
CONTENT: dict[str, Any] = {
    "topic": "strassensperrungen",
    "headline": "L 149: Vollsperrung",
    "text": "Bis 18 Uhr. Eine Umleitung ist ausgeschildert.",
    "link": "https://www.landkreis-osterholz.de/sperrungen",
    "urgent": True,
}


ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "event-1",
    "source": SOURCE,
    "type": NoticePublished.TYPE,
    "subject": "L149-2026-11",
    "expirytime": EXPIRY.isoformat(),
}


def build_event(data: object = None, *, kind: str = NoticePublished.TYPE, **attributes: Any) -> Envelope:
    """A valid event, but for what is given."""
    encoded = msgspec.Raw(msgspec.json.encode(CONTENT if data is None else data))
    return Envelope(**(ATTRIBUTES | {"type": kind, "expirytime": EXPIRY, "data": encoded} | attributes))


def find_problems(envelope: Envelope, login: str | None = "pressestelle") -> dict[str, str]:
    """The problem of each field; a field that is named twice fails the test."""
    system = KNOWN.find_system(identify_system(envelope, login))
    found = parse_notice(envelope).validate(system, KNOWN, NOON)
    assert len({problem.field for problem in found}) == len(found), found
    return {problem.field: problem.problem for problem in found}


def find_content_problems(**changes: object) -> dict[str, str]:
    """Those of a notice whose content is valid but for these changes."""
    return find_problems(build_event(CONTENT | changes))
