"""Meta's error codes and the JSON shape of its error responses."""

import secrets
from typing import NamedTuple

import msgspec


class GraphErrorKind(NamedTuple):
    """HTTP status, title and type that belong to a code."""

    status: int
    title: str
    type: str = "OAuthException"


UNKNOWN_ERROR = GraphErrorKind(400, "Error on request of the test")

ERROR_KINDS = {
    1: GraphErrorKind(400, "Invalid request or possible server error"),
    2: GraphErrorKind(503, "Service temporarily unavailable"),
    3: GraphErrorKind(500, "Capability or permissions issue"),
    4: GraphErrorKind(400, "Application request limit reached"),
    10: GraphErrorKind(403, "Permission denied"),
    15: GraphErrorKind(400, "This method must be called with an app access_token."),
    33: GraphErrorKind(400, "Business number deleted"),
    100: GraphErrorKind(400, "Invalid parameter"),
    190: GraphErrorKind(401, "Invalid access token"),
    368: GraphErrorKind(403, "Temporarily blocked for policies violations"),
    2200: GraphErrorKind(400, "Callback verification failed"),
    2500: GraphErrorKind(400, "Unknown path components"),
    80007: GraphErrorKind(400, "Rate limit issues"),
    130429: GraphErrorKind(400, "Rate limit hit"),
    130472: GraphErrorKind(400, "User's number is part of an experiment"),
    131000: GraphErrorKind(500, "Something went wrong"),
    131005: GraphErrorKind(403, "Access denied"),
    131008: GraphErrorKind(400, "Required parameter is missing"),
    131009: GraphErrorKind(400, "Parameter value is not valid"),
    131016: GraphErrorKind(500, "Service unavailable"),
    131021: GraphErrorKind(400, "Recipient cannot be sender"),
    131026: GraphErrorKind(400, "Message undeliverable"),
    131031: GraphErrorKind(403, "Account has been locked"),
    131042: GraphErrorKind(400, "Business eligibility payment issue"),
    131047: GraphErrorKind(400, "Re-engagement message"),
    131048: GraphErrorKind(400, "Spam rate limit hit"),
    131049: GraphErrorKind(400, "Message not delivered for a healthy ecosystem"),
    131050: GraphErrorKind(400, "User stopped marketing messages"),
    131051: GraphErrorKind(400, "Unsupported message type"),
    131053: GraphErrorKind(400, "Media upload error"),
    131056: GraphErrorKind(400, "Pair rate limit hit"),
    131057: GraphErrorKind(500, "Account in maintenance mode"),
    132000: GraphErrorKind(400, "Number of parameters does not match the expected number of params"),
    132001: GraphErrorKind(404, "Template name does not exist in the translation"),
    132005: GraphErrorKind(400, "Translated text too long"),
    132007: GraphErrorKind(400, "Template format character policy violated"),
    132012: GraphErrorKind(400, "Parameter format does not match format in the created template"),
    132015: GraphErrorKind(400, "Template is paused"),
    132016: GraphErrorKind(400, "Template is disabled"),
    132018: GraphErrorKind(400, "Template parameter is not valid"),
    133004: GraphErrorKind(503, "Server temporarily unavailable"),
    133010: GraphErrorKind(400, "Phone number not registered"),
}


class GraphError(Exception):
    """A request that Meta would refuse; becomes its HTTP response."""

    def __init__(self, code: int, details: str, *, status: int | None = None, subcode: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
        self.subcode = subcode
        self.kind = ERROR_KINDS.get(code, UNKNOWN_ERROR)
        self.status = status or self.kind.status

    def encode(self) -> bytes:
        """Return the response body in Meta's shape."""
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


def build_missing_parameter(name: str) -> GraphError:
    return GraphError(131008, f"The parameter {name} is required.")


def build_invalid_parameter(details: str) -> GraphError:
    return GraphError(131009, details)


def build_not_found() -> GraphError:
    """Return Meta's error for a path whose id is unknown or hidden from this token."""
    return GraphError(100, "The object does not exist or this token may not use it.", subcode=33)
