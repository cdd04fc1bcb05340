"""Parts of all peers: their settings, and messages in Meta's format, which the dispatcher sends too.

Imports only the standard library.
"""

import json
import os
import sys
from collections.abc import Iterator
from uuid import uuid4

BROKER_URL = os.environ.get("BENCHMARK_BROKER_URL", "")
ENDPOINT_URL = os.environ.get("BENCHMARK_ENDPOINT_URL", "")
IN_FLIGHT = int(os.environ.get("BENCHMARK_IN_FLIGHT", "200"))
TEMPLATE = "kreisfunk_strassensperrungen_v1"
HEADLINE = "Sperrung"
TEXT = "Die Kreisstraße 8 ist zwischen Worphausen und Grasberg bis Freitag voll gesperrt, eine Umleitung besteht."
HEADERS = {"Authorization": "Bearer only-for-the-benchmark", "Content-Type": "application/json"}
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


def build_bodies() -> Iterator[str]:
    """Yield different requests, as many as the command line says."""
    return map(build_request_body, range(int(sys.argv[1])))
