"""A broken part affects no other: intact parts are processed, the others are named."""

import json

import pytest
from msgspec import Raw

from services.ingress.webhook import translate
from services.ingress.webhook.decoding import decode_valid_fields
from services.ingress.webhook.events import Finding, ParseProblem
from services.ingress.webhook.payloads import WebhookPart
from services.ingress.webhook.translate import MAX_PARTS
from shared.contracts.inbound import InboundMessage
from tests.factories.webhook_rules import decrypt_addresses, find_all
from tests.factories.webhooks import (
    PHONE,
    Json,
    build_text_message,
    build_value,
    build_webhook,
    read_sample,
)


def texts(found: list[Finding]) -> list[str | None]:
    return [it.text for it in found if isinstance(it, InboundMessage)]


def reasons(found: list[Finding]) -> list[str]:
    return [it.reason for it in found if isinstance(it, ParseProblem)]


def entries(*values: Json) -> bytes:
    """A webhook with an entry for each value."""
    all_of_them = [{"id": "1", "changes": [{"field": "messages", "value": each}]} for each in values]
    return json.dumps({"object": "whatsapp_business_account", "entry": all_of_them}).encode()


@pytest.mark.parametrize("name", ["\ud83d", "A\udc00B", "\udc00\ud83d", "\\\ud83d", "\ud83d\ud83d\ude97"])
def test_half_an_emoji_in_a_name_sinks_no_stop_beside_it(name: str) -> None:
    strange = build_value(
        contacts=[{"profile": {"name": name}, "wa_id": PHONE}], messages=[build_text_message(1, "Hallo")]
    )
    found = find_all(entries(strange, build_value(messages=[build_text_message(2, "Stop")])))
    assert (texts(found), reasons(found)) == (["Hallo", "Stop"], [])


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"Stop \ud83d", "Stop \ufffd"),
        (rb"Stop \udE97\ud83d\ude97", "Stop \ufffd\U0001f697"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (rb"\\\ud83d\\", "\\\ufffd\\"),
        (rb"\ud83d\n\"\u00e4", '\ufffd\n"ä'),
    ],
)
def test_half_an_emoji_in_a_text_is_replaced_and_nothing_else_is(escaped: bytes, text: str) -> None:
    body = build_webhook(build_value(messages=[build_text_message(1, "X")])).replace(b'"X"', b'"' + escaped + b'"')
    assert texts(find_all(body)) == [text]


@pytest.mark.parametrize("field", ["id", "time"])
@pytest.mark.parametrize("broken", [b"1e999", b'"\xff"', b"[" * 600 + b"]" * 600])
def test_what_no_message_needs_of_an_entry_sinks_no_text_in_it(field: str, broken: bytes) -> None:
    value = json.dumps(build_value(messages=[build_text_message(1, "Stop")])).encode()
    changes = b'"changes": [{"field": "messages", "value": ' + value + b"}]"
    entry = b'{"' + field.encode() + b'": ' + broken + b", " + changes + b"}"
    found = find_all(b'{"object": "whatsapp_business_account", "entry": [' + entry + b"]}")
    assert (texts(found), reasons(found)) == (["Stop"], [])


def test_a_notice_of_a_new_number_beside_a_text_makes_it_nothing_else() -> None:
    system = {"type": "user_changed_number", "wa_id": "491760406900009", "user_id": "DE.9", "previous_user_id": "DE.8"}
    found = find_all(build_webhook(build_value(messages=[build_text_message(1, "Stop", system=system)])))
    assert texts(found) == ["Stop"]
    [message] = [it for it in found if isinstance(it, InboundMessage)]
    assert decrypt_addresses(message.sender) == (PHONE, None)


@pytest.mark.parametrize("kind", ["image", "video", "document"])
def test_an_edited_caption_is_what_it_says_now(kind: str) -> None:
    body = read_sample("edit_of_caption").replace(b'"image"', f'"{kind}"'.encode())
    assert texts(find_all(body)) == ["Stopp"]


@pytest.mark.parametrize(
    "around",
    [
        b"%s",
        b'{"changes": [%s]}',
        b'{"changes": [{"field": "messages", "value": {"messages": [%s]}}]}',
        b'{"changes": [{"field": "messages", "value": {"statuses": [%s]}}]}',
        b'{"changes": [{"field": "messages", "value": {"user_preferences": [%s]}}]}',
        b'{"changes": [{"field": "messages", "value": {"messages": [{}], "contacts": [%s]}}]}',
    ],
    ids=["entries", "changes", "messages", "statuses", "preferences", "contacts"],
)
def test_of_300_000_parts_only_so_many_are_looked_at_as_are_told(
    around: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[object] = []

    def decode(kind: type[WebhookPart], raw: Raw) -> object:
        looked_at.append(kind)
        return decode_valid_fields(kind, raw)

    monkeypatch.setattr(translate, "decode_valid_fields", decode)
    body = b'{"object": "whatsapp_business_account", "entry": [%s]}' % (around % b",".join([b"{}"] * 300_000))
    found = find_all(body)
    assert len(found) <= MAX_PARTS + 1
    assert len([reason for reason in reasons(found) if reason.startswith("more than ")]) == 1
    assert 1_000 <= len(looked_at) <= MAX_PARTS + 10


@pytest.mark.parametrize("field", ["id", "timestamp", "type"])
def test_the_required_field_for_which_a_message_is_nothing_is_named(field: str) -> None:
    message = build_text_message(1, "Stop", context=7)
    [broken] = reasons(find_all(build_webhook(build_value(messages=[{**message, field: [PHONE]}]))))
    assert broken.startswith(f"messages[0]: {field}: Expected `")
    without = {name: content for name, content in message.items() if name != field}
    assert reasons(find_all(build_webhook(build_value(messages=[without])))) == [
        f"messages[0]: Object missing required field `{field}`"
    ]
