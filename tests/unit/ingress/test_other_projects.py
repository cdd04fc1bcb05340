"""Shapes of webhooks from the tests of other open source projects, beyond Meta's samples: every text is heard.

- pywa, `tests/data/updates`: what lacks what its type promises, numbers in `context`, referrals
- courier, `handlers/meta/testdata`: what is no user id
- whatsapp-api-js, `test/payloads/v25`: message ids that are no wamid, contacts beside statuses, ids of companies
- chatwoot, `spec/services/whatsapp`: forms without their answers, failed media, accents
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pytest

from services.ingress.webhook.translate import parse_webhook
from shared.contracts.inbound import DeliveryStatus, InboundMessage
from tests.factories.webhook_rules import RULES
from tests.factories.webhooks import NUMBER_ID, PHONE, SENT_AT, USER, Json
from tests.unit.ingress.quarantined import quarantine_webhook

COMPANY = "DE.ENT.70900100200"
ODD_ID = "ABGGFkA7Rpb"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FORM: Json = {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{no json"}}
REFERRAL: Json = {"source_type": "ad or post", "headline": "Stop", "body": "Start", "ctwa_clid": "x", "media_type": 7}
FAILED = {"code": 131000, "title": "Something went wrong", "error_data": {"details": "Unsupported webhook payload"}}
KNOWN: Json = {"profile": {"name": "Anke", "username": "@anke.b"}, "wa_id": PHONE, "user_id": USER}


class WebhookShape(NamedTuple):
    """A value of the field `messages`, and the texts that are to be heard of it, None for a message without."""

    value: Json
    heard: Sequence[str | None] = ()
    statuses: int = 0


def build_message(kind: str, **more: object) -> Json:
    return {"from": PHONE, "id": f"wamid.{kind}==", "timestamp": str(SENT_AT), **more, "type": kind}


def build_text(body: str, **more: object) -> Json:
    return build_message("text", text={"body": body}, **more)


def build_value(*messages: Json, contact: Json | None = None, **more: object) -> Json:
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "+49 4791 930 0", "phone_number_id": NUMBER_ID},
        "contacts": [contact or {"profile": {"name": "Anke Beispiel"}, "wa_id": PHONE}],
        **({"messages": list(messages)} if messages else {}),
        **more,
    }


SHAPES: Mapping[str, WebhookShape] = {
    "type before its content": WebhookShape(build_value({"type": "text", **build_text("Hilfe")}), ["Hilfe"]),
    "reply to us": WebhookShape(build_value(build_text("Stop", context={"from": NUMBER_ID, "id": "x"})), ["Stop"]),
    "from an advertisement": WebhookShape(build_value(build_text("Start", referral=REFERRAL)), ["Start"]),
    "id of a company": WebhookShape(
        build_value(build_text("Stop", from_parent_user_id=COMPANY), contact=KNOWN), ["Stop"]
    ),
    "no user id": WebhookShape(
        build_value(build_text("Stop", from_user_id="foo_bar"), contact={**KNOWN, "user_id": "foo_bar"}), ["Stop"]
    ),
    "message id that is no wamid": WebhookShape(build_value({**build_text("Stop"), "id": ODD_ID}), ["Stop"]),
    "two people": WebhookShape(
        build_value(
            build_text("Stop"), {**build_text("Start", from_user_id=USER), "from": "491760406900002", "id": "z"}
        ),
        ["Stop", "Start"],
    ),
    "text of an unsupported type": WebhookShape(
        build_value({**build_text("Stop"), "type": "unsupported", "errors": [FAILED]}), ["Stop"]
    ),
    "form with a broken answer": WebhookShape(build_value(build_message("interactive", interactive=FORM)), ["Sent"]),
    "interactive without its content": WebhookShape(build_value(build_message("interactive"), errors=[FAILED]), [None]),
    "picture that could not be loaded": WebhookShape(
        build_value(build_message("image", image={"id": "1", "caption": "Größe €"}, errors=[FAILED])), ["Größe €"]
    ),
    "status with a contact": WebhookShape(
        build_value(
            contact=KNOWN,
            statuses=[{"id": ODD_ID, "status": "in_orbit", "timestamp": str(SENT_AT), "recipient_user_id": USER}],
        ),
        statuses=1,
    ),
}


def escape(webhook: Json) -> bytes:
    """As Meta does: ASCII only, slashes escaped as well."""
    return json.dumps(webhook, separators=(",", ":")).replace("/", "\\/").encode()


def space(webhook: Json) -> bytes:
    """As a provider in between may do."""
    return json.dumps(webhook, indent=4, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def enclose(value: Json) -> Json:
    changes = [{"value": value, "field": "messages"}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "115653644479", "changes": changes}]}


@pytest.mark.parametrize("write", [escape, space])
@pytest.mark.parametrize("name", SHAPES)
def test_each_is_heard(name: str, write: Callable[[Json], bytes]) -> None:
    shape = SHAPES[name]
    found = parse_webhook(write(enclose(shape.value)), RULES)
    assert [event.text for event in found.events if isinstance(event, InboundMessage)] == list(shape.heard)
    assert len([event for event in found.events if isinstance(event, DeliveryStatus)]) == shape.statuses
    assert found.problems == []


@pytest.mark.parametrize(
    "body",
    [
        escape({**enclose({}), "entry": [{"changes": [{"value": build_value(build_text("Stop"))}]}]}),
        escape(enclose(build_value({**build_text("Stop"), "from": "5678"}, contact={"wa_id": "5678"}))),
        escape({**enclose(build_value(build_text("Stop"))), "object": "page"}),
        BYTE_ORDER_MARK + escape(enclose(build_value(build_text("Stop")))),
    ],
    ids=["without its field", "from four digits", "of a page", "with a byte order mark"],
)
def test_what_meta_never_sends_is_kept(body: bytes) -> None:
    assert parse_webhook(body, RULES).events == []
    assert len(quarantine_webhook(body)) == 1
