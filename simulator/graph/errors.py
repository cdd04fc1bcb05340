"""Meta's error codes and the JSON shape of its error responses."""

import secrets

from simulator.access import RequestRefused

UNKNOWN_ERROR = (400, "Error requested by the test")
# HTTP status and title by code.
ERROR_KINDS = {
    1: (400, "Invalid request or possible server error"),
    2: (503, "Service temporarily unavailable"),
    3: (500, "Capability or permissions issue"),
    4: (400, "Application request limit reached"),
    10: (403, "Permission denied"),
    15: (400, "This method must be called with an app access_token."),
    33: (400, "Business number deleted"),
    100: (400, "Invalid parameter"),
    190: (401, "Invalid access token"),
    368: (403, "Temporarily blocked for policies violations"),
    2200: (400, "Callback verification failed"),
    2500: (400, "Unknown path components"),
    80007: (400, "Rate limit issues"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131031: (403, "Account has been locked"),
    131042: (400, "Business eligibility payment issue"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "Message not delivered for a healthy ecosystem"),
    131050: (400, "User stopped marketing messages"),
    131051: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131056: (400, "Pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "Template parameter is not valid"),
    133004: (503, "Server temporarily unavailable"),
    133010: (400, "Phone number not registered"),
}


class GraphError(RequestRefused):
    """A request that Meta would refuse, with the answer in Meta's shape."""

    def __init__(self, code: int, details: str, *, status: int | None = None, subcode: int | None = None) -> None:
        usual_status, title = ERROR_KINDS.get(code, UNKNOWN_ERROR)
        error: dict[str, object] = {
            "message": f"(#{code}) {title}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
            "fbtrace_id": secrets.token_urlsafe(9),
        }
        if subcode is not None:
            error["error_subcode"] = subcode
        super().__init__(status or usual_status, {"error": error})
        self.code = code


def build_missing_parameter(name: str) -> GraphError:
    return GraphError(131008, f"The parameter {name} is required.")


def build_invalid_parameter(details: str) -> GraphError:
    return GraphError(131009, details)


def build_not_found() -> GraphError:
    """Return Meta's error for a path whose id is unknown or hidden from this token."""
    return GraphError(100, "The object does not exist or this token may not use it.", subcode=33)
