"""A municipal system that publishes notices."""

from datetime import timedelta
from typing import Any

import msgspec

from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from shared.outcome import Outcome
from tests.integration.subscriptions.stand import Stand
from tests.unit.subscriptions.material import NOON

LOGIN = "pressestelle"
SOURCE = "/landkreis-osterholz/pressestelle"
NOTICE: dict[str, Any] = {
    "notice": "L149",
    "topic": "strassensperrungen",
    "headline": "L 149: Vollsperrung",
    "text": "Bis 18 Uhr.",
    "expires_at": (NOON + timedelta(hours=6)).isoformat(),
}


def cloud_event(kind: str, data: object, *, event_id: str = "event-1", source: str = SOURCE) -> bytes:
    return msgspec.json.encode({"specversion": "1.0", "id": event_id, "source": source, "type": kind, "data": data})


async def publish(
    stand: Stand, *, event_id: str = "event-1", source: str = SOURCE, login: str | None = LOGIN, **changes: object
) -> Outcome:
    body = cloud_event(NoticePublished.TYPE, NOTICE | changes, event_id=event_id, source=source)
    return await stand.parts.desk.handle(body, login)


async def withdraw(stand: Stand, notice: str = "L149", **data: object) -> Outcome:
    body = cloud_event(NoticeWithdrawn.TYPE, {"notice": notice, **data}, event_id="withdrawal")
    return await stand.parts.desk.handle(body, LOGIN)
