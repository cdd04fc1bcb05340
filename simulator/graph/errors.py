"""Meta's error codes and the shape in which they are answered."""

import secrets
from typing import NamedTuple

import msgspec


class Kind(NamedTuple):
    """HTTP status, title and type that belong to a code."""

    status: int
    title: str
    type: str = "OAuthException"


UNKNOWN = Kind(400, "Error on request of the test")

KINDS = {
    1: Kind(400, "Invalid request or possible server error"),
    2: Kind(503, "Service temporarily unavailable"),
    3: Kind(500, "Capability or permissions issue"),
    4: Kind(400, "Application request limit reached"),
    10: Kind(403, "Permission denied"),
    33: Kind(400, "Business number deleted"),
    100: Kind(400, "Invalid parameter"),
    190: Kind(401, "Invalid access token"),
    368: Kind(403, "Temporarily blocked for policies violations"),
    2500: Kind(400, "Unknown path components"),
    80007: Kind(400, "Rate limit issues"),
    130429: Kind(400, "Rate limit hit"),
    130472: Kind(400, "User's number is part of an experiment"),
    131000: Kind(500, "Something went wrong"),
    131005: Kind(403, "Access denied"),
    131008: Kind(400, "Required parameter is missing"),
    131009: Kind(400, "Parameter value is not valid"),
    131016: Kind(500, "Service unavailable"),
    131021: Kind(400, "Recipient cannot be sender"),
    131026: Kind(400, "Message undeliverable"),
    131031: Kind(403, "Account has been locked"),
    131042: Kind(400, "Business eligibility payment issue"),
    131047: Kind(400, "Re-engagement message"),
    131048: Kind(400, "Spam rate limit hit"),
    131049: Kind(400, "Message not delivered for a healthy ecosystem"),
    131050: Kind(400, "User stopped marketing messages"),
    131051: Kind(400, "Unsupported message type"),
    131053: Kind(400, "Media upload error"),
    131056: Kind(400, "Pair rate limit hit"),
    131057: Kind(500, "Account in maintenance mode"),
    132000: Kind(400, "Number of parameters does not match the expected number of params"),
    132001: Kind(404, "Template name does not exist in the translation"),
    132005: Kind(400, "Translated text too long"),
    132007: Kind(400, "Template format character policy violated"),
    132012: Kind(400, "Parameter format does not match format in the created template"),
    132015: Kind(400, "Template is paused"),
    132016: Kind(400, "Template is disabled"),
    132018: Kind(400, "Template parameter is not valid"),
    133004: Kind(503, "Server temporarily unavailable"),
    133010: Kind(400, "Phone number not registered"),
}


class GraphError(Exception):
    """A request that Meta would refuse; becomes the answer to it."""

    def __init__(self, code: int, details: str, *, status: int | None = None, subcode: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
        self.subcode = subcode
        self.kind = KINDS.get(code, UNKNOWN)
        self.status = status or self.kind.status

    def body(self) -> bytes:
        """The answer in Meta's shape."""
        error: dict[str, object] = {
            "message": f"(#{self.code}) {self.kind.title}",
            "type": self.kind.type,
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": secrets.token_urlsafe(9),
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        return msgspec.json.encode({"error": error})


def required(name: str) -> GraphError:
    return GraphError(131008, f"The parameter {name} is required.")


def invalid(details: str) -> GraphError:
    return GraphError(131009, details)


def no_such_object() -> GraphError:
    """What Meta answers to a path with an id that is unknown, or hidden from this token."""
    return GraphError(100, "The object does not exist or this token may not use it.", subcode=33)
