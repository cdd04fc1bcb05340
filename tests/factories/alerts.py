"""CAP alerts."""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from services.feeds.cap.decisions import evaluate_alerts
from services.feeds.cap.parser import read_alert
from services.feeds.configuration import AlertOrigin
from services.feeds.decisions import PollOutcome
from services.feeds.state import NoticeStatus, OriginState
from tests.factories.feeds import IDENTITY, UNPOLLED

SENDER = "leitstelle@county.example"


def build_alert(identifier: str = "warnung-1", *infos: str, references: Iterable[str] = (), **fields: str) -> bytes:
    """Return an alert, without empty fields. `references` are identifiers of the same sender."""
    defaults = {
        "identifier": identifier,
        "sender": SENDER,
        "sent": "2026-11-25T10:00:00+01:00",
        "status": "Actual",
        "msgType": "Alert",
        "scope": "Public",
        "references": " ".join(
            name if "," in name else f"{SENDER},{name},2026-11-25T10:00:00+01:00" for name in references
        ),
    }
    written = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in {**defaults, **fields}.items() if value)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
        f"{written}{''.join(infos or (build_info(),))}</alert>"
    ).encode()


def build_area(description: str, *geocodes: str) -> str:
    codes = "".join(f"<geocode><valueName>ARS</valueName><value>{code}</value></geocode>" for code in geocodes)
    return f"<area><areaDesc>{escape(description)}</areaDesc>{codes}</area>"


def build_info(*areas: str, **fields: str) -> str:
    defaults = {
        "language": "de-DE",
        "category": "Infra",
        "event": "Trinkwasser",
        "responseType": "",
        "urgency": "Immediate",
        "severity": "Severe",
        "certainty": "Observed",
        "expires": "2026-11-25T22:00:00+01:00",
        "headline": "Wasser abkochen",
        "description": "Keime im Trinkwasser.",
        "instruction": "Bitte kochen Sie es ab.",
    }
    written = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in {**defaults, **fields}.items() if value)
    return f"<info>{written}{''.join(areas or (build_area('Lilienthal'),))}</info>"


def build_alert_origin(**fields: Any) -> AlertOrigin:
    """Return an origin of warnings that are published directly."""
    defaults: Mapping[str, Any] = {"name": "warnung", "files": "x", "topic": "strassensperrungen", "mode": "direct"}
    return msgspec.convert({**defaults, **fields}, AlertOrigin)


def poll_alerts(
    *bodies: bytes, memory: OriginState = UNPOLLED, status: NoticeStatus = NoticeStatus.SENT, **origin: Any
) -> PollOutcome:
    """Return the outcome of a poll by an origin with these fields; earlier pending events are dropped.

    `status` is that of all earlier notices.
    """
    fresh = msgspec.structs.replace(memory, pending=())
    alerts = [read_alert(body) for body in bodies]
    return evaluate_alerts(build_alert_origin(**origin), fresh, alerts, IDENTITY, lambda *_: status)
