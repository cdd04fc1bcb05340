"""Limits of the quarantined parts of a broken webhook."""

import pytest

from services.ingress.webhook.events import ProblemKind, encode_events
from services.ingress.webhook.quarantine import MAX_SEPARATE_PARTS
from services.ingress.webhook.translate import MAX_CONTACTS, MAX_PARTS, parse_webhook
from shared.contracts.envelope import decode, wrap_data
from shared.contracts.inbound import (
    WebhookQuarantined,
)
from tests.factories.webhook_rules import RECEIVED_AT, RING, RULES
from tests.factories.webhooks import (
    OTHER_PHONE,
    TWO_PEOPLE,
    Json,
    build_status,
    build_text_message,
    build_value,
    build_webhook,
)
from tests.unit.ingress.quarantined import quarantine_webhook


def test_many_bad_parts_share_a_message_of_their_kind() -> None:
    bad: list[Json] = [{"id": number} for number in range(1000)]
    without_a_field = [build_text_message(number, "Stop", context=7) for number in range(500)]
    quarantined = quarantine_webhook(build_webhook(build_value(messages=[*bad, *without_a_field])))

    assert len(quarantined) == MAX_SEPARATE_PARTS + 2
    assert [it.message.kind for it in quarantined[-2:]] == [ProblemKind.BROKEN_PART, ProblemKind.BROKEN_FIELD]
    assert quarantined[-2].message.reason.endswith(f"; and {1000 - MAX_SEPARATE_PARTS - 3} more")
    parts = [entry["changes"][0]["value"]["messages"][0] for it in quarantined for entry in it.webhook["entry"]]
    assert parts[:1000] == bad
    assert len(parts) == 1500
    assert b"Stop" not in b"".join(it.body for it in quarantined)
    assert len(parse_webhook(quarantined[-2].body, RULES).problems) == 1000 - MAX_SEPARATE_PARTS


@pytest.mark.parametrize(
    "body",
    [
        build_webhook(build_value(messages=[{}] * (MAX_PARTS - 1))),
        build_webhook(build_value(contacts=TWO_PEOPLE * 500, messages=[{"from": OTHER_PHONE}] * (MAX_PARTS - 1))),
        build_webhook({**build_value(messages=[build_text_message(1)]), "contacts": [7] * 300_000}),
        build_webhook(build_value(statuses=[build_status(1, errors="x" * 4_000_000)])),
    ],
    ids=["empty messages", "contacts for each", "contacts", "one large part"],
)
def test_what_is_kept_is_little_more_than_the_webhook(body: bytes) -> None:
    parts = quarantine_webhook(body)
    assert len(parts) <= MAX_SEPARATE_PARTS + len(ProblemKind)
    assert sum(len(it.body) for it in parts) < len(body) + MAX_PARTS * 300


def test_contacts_beyond_the_bound_are_kept() -> None:
    body = build_webhook(build_value(messages=[build_text_message(1)], contacts=[{}] * (MAX_CONTACTS + 7)))
    [part] = quarantine_webhook(body)
    assert part.value["contacts"] == [{}] * 7
    assert part.message.reason == f"more than {MAX_CONTACTS} contacts"


def test_each_travels_alone_and_is_encrypted_for_itself() -> None:
    messages = [it.message for it in quarantine_webhook(build_webhook(build_value(messages=[{}, {}, {}])))]
    assert len({message.sealed for message in messages}) == 3
    assert len({RING.decrypt(message.sealed, purpose="webhook") for message in messages}) == 1
    chunks = encode_events(messages)[WebhookQuarantined]
    bodies = [wrap_data(WebhookQuarantined, it.json, event_id="1", source="/test", time=RECEIVED_AT) for it in chunks]
    assert [decode(body) for body in bodies] == messages
    assert [it.events for it in chunks] == [1, 1, 1]
