"""Chunks: joined again they are the message that the events would have made, and each fits."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.webhook.events import (
    GROUP_TYPES,
    MAX_GROUP_BYTES,
    MAX_GROUP_EVENTS,
    Event,
    encode_events,
    join_chunks,
    split_by_type,
    split_into_chunks,
    sum_counts,
)
from shared.contracts.envelope import encode, wrap_data
from shared.contracts.inbound import (
    AccountEvent,
    DeliveryStatus,
    IdentityChange,
    InboundMessage,
    PreferenceChange,
    WebhookQuarantined,
)
from shared.contracts.message import Address, Addresses, AddressKind
from tests.factories.webhook_rules import build_group

AT = datetime(2026, 11, 10, 8, 0, tzinfo=UTC)
PERSON = Addresses(phone=Address(kind=AddressKind.PHONE, index=b"i" * 16, sealed=b"s" * 40))


def message(text: str) -> InboundMessage:
    return InboundMessage(message_key=b"k", sender=PERSON, sent_at=AT, received_at=AT, kind="text", text=text)


def status(word: str) -> DeliveryStatus:
    return DeliveryStatus(message_key=b"k", status=word, at=AT, received_at=AT)


ONE_OF_EACH: list[Event] = [
    message('Start, „ÄÖÜ“ und "so" []{},'),
    status("read"),
    PreferenceChange(person=PERSON, category="marketing_messages", value="stop", at=AT),
    IdentityChange(message_key=b"k", before=PERSON, after=PERSON, at=AT, received_at=AT),
    AccountEvent(field="security", received_at=AT, value={"a": [1, {"b": None}]}),
    WebhookQuarantined(reason="not UTF-8", received_at=AT, size=1, sealed=b"s"),
]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("webhooks", [1, 3])
def test_slices_together_are_the_bytes_of_the_group(event: Event, webhooks: int) -> None:
    if isinstance(event, WebhookQuarantined):
        webhooks = 1
    chunks = [each for _ in range(webhooks) for each in split_into_chunks([event])]
    group = build_group([event] * webhooks)
    enclosed = wrap_data(
        GROUP_TYPES[type(event)], join_chunks(type(event), chunks), event_id="1", source="/test", time=AT
    )
    assert enclosed == encode(group, event_id="1", source="/test", time=AT)


@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=30), factor=st.sampled_from([1, 500, 4000]))
def test_each_chunk_fits_and_nothing_is_lost(texts: list[str], factor: int) -> None:
    events = [message(text * factor) for text in texts]
    chunks = split_into_chunks(events)
    assert all(each.events == 1 or len(each.json) <= MAX_GROUP_BYTES for each in chunks)
    assert sum(each.events for each in chunks) == len(events)
    whole = wrap_data(
        GROUP_TYPES[InboundMessage], join_chunks(InboundMessage, chunks), event_id="1", source="/test", time=AT
    )
    assert whole == encode(build_group(events), event_id="1", source="/test", time=AT)


def test_no_chunk_has_more_events_than_a_group_may() -> None:
    chunks = split_into_chunks([status("sent")] * (2 * MAX_GROUP_EVENTS + 1))
    assert max(each.events for each in chunks) <= MAX_GROUP_EVENTS
    assert sum_counts(each.labels for each in chunks) == {"sent": 2 * MAX_GROUP_EVENTS + 1}


def test_labels_are_counted_for_each_chunk_and_add_up() -> None:
    chunks = [
        *split_into_chunks([status("sent"), status("read"), status("sent")]),
        *split_into_chunks([status("read")]),
    ]
    assert [dict(each.labels) for each in chunks] == [{"sent": 2, "read": 1}, {"read": 1}]
    assert sum_counts(each.labels for each in chunks) == {"sent": 2, "read": 2}


def test_a_webhook_is_encoded_by_type_in_its_order() -> None:
    events = [*ONE_OF_EACH, *ONE_OF_EACH]
    encoded = encode_events(events)
    assert list(encoded) == [type(event) for event in ONE_OF_EACH]
    for kind, same in split_by_type(events).items():
        assert join_chunks(kind, encoded[kind]) == join_chunks(kind, split_into_chunks(same))
    assert encode_events([]) == {}
