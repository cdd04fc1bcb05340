"""What to do about Meta's error codes: a table, with sources.

Sources: Meta, "Error codes" (WhatsApp Cloud API, support/error-codes, September 2026; HTTP statuses of the page
of December 2025), where nothing else is said. A code that is not listed fails its delivery and is counted: it
is never retried blindly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """What a failed send asks for."""

    AGAIN = "again"  # the same message, a little later
    SLOWER = "slower"  # the same message, and everybody sends more slowly
    PAIR = "pair"  # the same message, later, to this recipient alone
    DROP = "drop"  # this delivery has failed
    RECIPIENT = "recipient"  # this delivery has failed, and subscriptions should know
    TEMPLATE = "template"  # the template or what is filled in is not acceptable
    SENDER = "sender"  # nothing can be sent until a person has acted: token, permission, account, payment


@dataclass(frozen=True)
class Rule:
    """How to treat one code. `attempts` is how often a message is tried before it fails."""

    remedy: Remedy
    meaning: str
    attempts: int = 1


_AGAIN, _SLOWER = Remedy.AGAIN, Remedy.SLOWER
_DROP, _RECIPIENT, _TEMPLATE, _SENDER = Remedy.DROP, Remedy.RECIPIENT, Remedy.TEMPLATE, Remedy.SENDER

RULES: Mapping[int, Rule] = {
    0: Rule(_SENDER, "token cannot be authenticated"),
    1: Rule(_AGAIN, "invalid request or server error", 2),
    2: Rule(_AGAIN, "temporary downtime", 8),
    3: Rule(_SENDER, "capability or permission missing"),
    4: Rule(_SLOWER, "application call limit", 8),
    10: Rule(_SENDER, "permission missing"),
    33: Rule(_SENDER, "business number deleted"),
    100: Rule(_DROP, "parameter unsupported or misspelled"),
    190: Rule(_SENDER, "token expired"),
    368: Rule(_SENDER, "account restricted for policy"),
    80007: Rule(_SLOWER, "account call limit", 8),
    130403: Rule(_RECIPIENT, "recipient blocked by us"),
    130429: Rule(_SLOWER, "throughput reached", 20),
    130472: Rule(_DROP, "recipient is in a marketing experiment"),
    130497: Rule(_DROP, "account barred from the recipient's country"),
    131000: Rule(_AGAIN, "unknown error", 6),
    131005: Rule(_SENDER, "access denied"),
    131008: Rule(_DROP, "required parameter missing"),
    131009: Rule(_DROP, "parameter value invalid"),
    131016: Rule(_AGAIN, "service unavailable", 8),
    131021: Rule(_DROP, "sender is recipient"),
    131026: Rule(_RECIPIENT, "undeliverable"),
    131030: Rule(_DROP, "recipient not on the test number's list"),  # pywa; not on Meta's page
    131031: Rule(_SENDER, "account locked"),
    131037: Rule(_SENDER, "display name not approved"),
    131042: Rule(_SENDER, "payment problem"),
    131044: Rule(_SENDER, "payment problem"),  # pywa; not on Meta's page
    131045: Rule(_SENDER, "number not registered correctly"),
    131047: Rule(_DROP, "outside the 24-hour window"),
    131048: Rule(_SENDER, "spam or quality restriction"),
    131049: Rule(_DROP, "dropped for a healthy ecosystem"),
    131050: Rule(_RECIPIENT, "recipient stopped marketing messages"),
    131051: Rule(_DROP, "message type unsupported"),
    131053: Rule(_TEMPLATE, "media not usable"),
    131055: Rule(_DROP, "marketing templates only"),
    131056: Rule(Remedy.PAIR, "too many messages to this recipient", 8),
    131057: Rule(_AGAIN, "maintenance", 8),
    131062: Rule(_DROP, "user id not possible for this message"),
    131063: Rule(_TEMPLATE, "marketing disabled on this interface"),
    131064: Rule(_TEMPLATE, "template category misused"),
    132000: Rule(_TEMPLATE, "wrong number of parameters"),
    132001: Rule(_TEMPLATE, "template missing or not approved"),
    132005: Rule(_DROP, "text too long with parameters"),
    132007: Rule(_TEMPLATE, "content policy"),
    132012: Rule(_TEMPLATE, "parameter format"),
    132015: Rule(_TEMPLATE, "template paused"),
    132016: Rule(_TEMPLATE, "template disabled"),
    132018: Rule(_DROP, "parameter contains line breaks or tabs"),
    133004: Rule(_AGAIN, "server temporarily unavailable", 8),
    133010: Rule(_SENDER, "number not registered"),
    134101: Rule(_AGAIN, "template still being synchronised", 8),
    134102: Rule(_TEMPLATE, "template unavailable"),
    135000: Rule(_DROP, "unknown parameter problem"),
}

RECIPIENT_CODES = tuple(code for code, rule in RULES.items() if rule.remedy is Remedy.RECIPIENT)
UNKNOWN_CODE = Rule(_DROP, "unknown code")
TOO_MANY_REQUESTS = Rule(_SLOWER, "HTTP 429", 20)
SERVER_ERROR = Rule(_AGAIN, "HTTP 5xx without a code", 4)


def rule_for(code: int | None, http_status: int | None = None) -> Rule:
    """How to treat an error answer. A known code decides, else the HTTP status."""
    if code is not None and code in RULES:
        return RULES[code]
    if code is not None and 200 <= code <= 299:
        return Rule(_SENDER, "permission missing")  # Meta: 200 to 299 are permission errors
    if http_status == 429:  # seen without a known code (nyaruka/courier)
        return TOO_MANY_REQUESTS
    if code is None and http_status is not None and http_status >= 500:
        return SERVER_ERROR
    return UNKNOWN_CODE


def pause_seconds(rule: Rule, attempt: int, jitter: float) -> float:
    """How long to wait before attempt number `attempt + 1`; `jitter` is between 0 and 1.

    Meta's advice for the recipient pair limit is 4^n seconds; the others double from one second, up to a
    minute, half of it at random.
    """
    if rule.remedy is Remedy.PAIR:
        return float(4 ** min(attempt, 6))
    whole = min(60.0, 2.0 ** (attempt - 1))
    return whole * (0.5 + jitter / 2)
