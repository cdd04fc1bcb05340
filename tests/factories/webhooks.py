"""Webhooks as Meta builds them, of any size."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from deploy.paths import ROOT

DATA = ROOT / "tests" / "data" / "whatsapp"
NUMBER_ID = "700800900100200"
PHONE = "491760406900001"
USER = "DE.40100200300400500"
SECRET = "0123456789abcdef0123456789abcdef"
SENT_AT = 1794300000

Json = dict[str, Any]
OTHER_PHONE = "491760406900002"
OTHER_USER = "DE.2"
TWO_PEOPLE: list[Json] = [
    {"profile": {"name": "Anke Beispiel"}, "wa_id": PHONE, "user_id": USER},
    {"profile": {"name": "Bodo Beispiel"}, "wa_id": OTHER_PHONE, "user_id": OTHER_USER},
]


def read_sample(name: str) -> bytes:
    """Return the content of a file in tests/data/whatsapp."""
    return (DATA / f"{name}.json").read_bytes()


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def build_webhook(value: Json, field: str = "messages") -> bytes:
    """Return a body with one change; `json` escapes everything beyond ASCII, as Meta does."""
    change = {"field": field, "value": value}
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "100200300400500", "changes": [change]}]}
    ).encode()


def build_value(**lists: Sequence[Json]) -> Json:
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4947919300", "phone_number_id": NUMBER_ID},
        **lists,
    }


def build_text_message(number: int, text: str = "Start", **more: object) -> Json:
    return {
        "id": f"wamid.IN{number:08}",
        "from": PHONE,
        "timestamp": str(SENT_AT),
        "type": "text",
        "text": {"body": text},
        **more,
    }


def build_status(number: int, word: str = "sent", **more: object) -> Json:
    return {
        "id": f"wamid.OUT{number:08}",
        "status": word,
        "timestamp": str(SENT_AT),
        "recipient_id": PHONE,
        "biz_opaque_callback_data": f"delivery-{number}",
        **more,
    }


def build_messages_body(*messages: Json) -> bytes:
    return build_webhook(build_value(messages=messages))


def build_statuses_body(*statuses: Json) -> bytes:
    return build_webhook(build_value(statuses=statuses))
