"""Description of an item in quarantine without a key."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from aio_pika.abc import AbstractIncomingMessage

from cli.quarantine.session import describe_message
from services.subscriptions.domain.notice_events import EventIdentity, build_quarantine
from shared.amqp.inspection import BrowsedMessage
from shared.amqp.topology import NOTICES_QUARANTINE
from shared.contracts.events import Problem

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_a_rejected_notice_is_told_with_its_system_and_every_wrong_field() -> None:
    named = EventIdentity(source="/bauamt", event="e", notice="n", system="bauamt")
    rejected = build_quarantine((Problem(field="topic", problem="unknown"),), named, NOW)
    incoming = SimpleNamespace(body=b"{}", message_id="m", headers={**rejected.headers, "reason": rejected.reason})
    item = describe_message(BrowsedMessage(NOTICES_QUARANTINE, cast("AbstractIncomingMessage", incoming)))
    assert item.description == {
        "id": "m",
        "kind": "notice",
        "system": "bauamt",
        "since": NOW,
        "size": 2,
        "reason": "topic: unknown",
    }
