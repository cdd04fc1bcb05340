"""Webhook bodies: escaped as Meta's, whole, and never larger than Meta's."""

import json
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.webhooks.batches import MAX_BYTES, Update, WebhookEnvelope, encode_update, escape, take_batch
from simulator.webhooks.outbox import MAX_RETRY_DELAY_SECONDS, compute_retry_delay

ENVELOPE = WebhookEnvelope(account_id="1002", phone_number_id="7008", display_phone_number="4947919300")


@given(st.text())
def test_escaping_keeps_the_meaning_and_leaves_ascii_only(text: str) -> None:
    encodable = text.encode(errors="ignore").decode()
    escaped = escape(json.dumps({"body": encodable}, ensure_ascii=False).encode())
    assert escaped.isascii()
    assert json.loads(escaped) == {"body": encodable}


def test_items_of_a_kind_share_a_change_and_contacts_are_told_once() -> None:
    contact = {"user_id": "DE.1", "wa_id": None}
    batch = [
        encode_update("statuses", {"id": "a"}, contact),
        encode_update("messages", {"id": "b"}, contact),
        encode_update("statuses", {"id": "c"}, contact),
        encode_update("change", {"time": 1794300200, "changes": [{"field": "account_update", "value": {}}]}),
    ]
    account, entry = json.loads(ENVELOPE.compose(batch))["entry"]
    assert account == {"id": "1002", "time": 1794300200, "changes": [{"field": "account_update", "value": {}}]}
    assert (entry["id"], "time" in entry) == ("1002", False)
    statuses, messages = entry["changes"]
    assert [status["id"] for status in statuses["value"]["statuses"]] == ["a", "c"]
    assert statuses["value"]["contacts"] == [{"user_id": "DE.1"}]
    assert messages["value"]["metadata"] == {"display_phone_number": "4947919300", "phone_number_id": "7008"}


@settings(max_examples=30)
@given(st.lists(st.integers(2, 2_000_000), max_size=40), st.integers(1, 20))
def test_batches_lose_nothing_keep_the_order_and_stay_within_the_limits(sizes: list[int], most: int) -> None:
    updates = [Update("statuses", b"%d" % number + b" " * size) for number, size in enumerate(sizes)]
    waiting = deque(updates)
    taken: list[Update] = []
    while waiting:
        batch = take_batch(waiting, most)
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or len(ENVELOPE.compose(batch)) <= MAX_BYTES
        taken += batch
    assert taken == updates


@given(attempt=st.integers(0, 10_000), share=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_limit_and_never_vanish(attempt: int, share: float) -> None:
    pause = compute_retry_delay(attempt, share)
    assert 0.125 <= pause <= MAX_RETRY_DELAY_SECONDS
    assert compute_retry_delay(attempt + 1, share) >= pause
