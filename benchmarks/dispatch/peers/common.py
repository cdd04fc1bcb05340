"""One message in Meta's format. Only the standard library: the peers' own environment imports it too."""

import json
from uuid import uuid4

TEMPLATE = "kreisfunk_strassensperrungen_v1"
HEADLINE = "Sperrung"
TEXT = "Die Kreisstraße 8 ist zwischen Worphausen und Grasberg bis Freitag voll gesperrt, eine Umleitung besteht."
TOKEN = "only-for-the-benchmark"  # noqa: S105 - the endpoint does not check it
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
DIFFERENT_PHONES = 100


def build_phone_number(number: int) -> str:
    """Return a number that is too long to exist."""
    return f"4917604069{number % DIFFERENT_PHONES:05}"


def build_request_body(number: int) -> str:
    """Return the request that the dispatcher makes for one recipient."""
    texts = {"headline": HEADLINE, "text": TEXT}
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in texts.items()]
    payload = {"type": "payload", "payload": "stop"}
    button = {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [payload]}
    template = {
        "name": TEMPLATE,
        "language": {"code": "de"},
        "components": [{"type": "body", "parameters": parameters}, button],
    }
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": f"+{build_phone_number(number)}",
        "type": "template",
        "template": template,
        "biz_opaque_callback_data": str(uuid4()),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
