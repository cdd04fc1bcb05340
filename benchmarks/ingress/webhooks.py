"""Signed webhooks as the bytes of whole HTTP requests."""

import hashlib
import hmac
import json

NUMBER_ID = "700800900100200"


def build_requests(secret: str, statuses: int) -> list[bytes]:
    """Return 512 signed webhooks, each about other messages."""
    return [_build_request(_build_body(number, statuses), secret) for number in range(512)]


def _build_body(number: int, statuses: int) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4947919300", "phone_number_id": NUMBER_ID},
        "contacts": [{"profile": {"name": "A"}, "wa_id": "491760406900001", "user_id": "DE.40100200300400500"}],
        "statuses": [
            {
                "id": f"wamid.{number:020}{item:06}",
                "status": "delivered",
                "timestamp": "1794300000",
                "recipient_id": "491760406900001",
                "biz_opaque_callback_data": f"01a1cee1-01d8-85e4-ada8-{number:06}{item:06}",
            }
            for item in range(statuses)
        ],
    }
    entry = {"id": "100200300400500", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _build_request(body: bytes, secret: str) -> bytes:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
