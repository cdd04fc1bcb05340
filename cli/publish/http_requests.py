"""Encoding of events for the notices API: as CloudEvents, or as plain JSON if only the token determines the source."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cli.publish.http_client import ApiRequest
from services.ingress.notices.plain_json import ACTIONS
from shared.contracts.envelope import CONTENT_TYPE

_ACTION_OF = {kind.TYPE: action for action, kind in ACTIONS.items()}


def build_request(body: bytes, path: str) -> ApiRequest:
    """Return the request for an event; the same event gives the same request, so it may be repeated."""
    event: dict[str, Any] = msgspec.json.decode(body)
    if event.get("source") or not _is_plain_possible(event):
        return ApiRequest(path=path, method="POST", body=body, headers={"Content-Type": CONTENT_TYPE})
    headers = {"Content-Type": "application/json", "Idempotency-Key": event["id"]}
    return ApiRequest(path=path, method="POST", body=msgspec.json.encode(_build_plain(event)), headers=headers)


def _is_plain_possible(event: Mapping[str, Any]) -> bool:
    identifier = event.get("id")
    is_key = isinstance(identifier, str) and identifier.isascii() and identifier.isprintable()
    return is_key and event.get("type") in _ACTION_OF and isinstance(event.get("data"), dict)


def _build_plain(event: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {"action": _ACTION_OF[event["type"]], "notice": event.get("subject")}
    expiry = {"expires_at": event["expirytime"]} if "expirytime" in event else {}
    return {**event["data"], **envelope, **expiry}


def read_attribute(body: bytes, name: str) -> str:
    """Return an attribute of an event, which may be incomplete; empty if it has none."""
    event: dict[str, Any] = msgspec.json.decode(body)
    value = event.get(name)
    return value if isinstance(value, str) else ""
