"""Table of Meta's error codes: what each means for the delivery and for sending.

Sources, unless stated otherwise: Meta, "Error codes" (WhatsApp Cloud API, support/error-codes, September 2026; HTTP
statuses of the page of December 2025). A code that is not listed fails its delivery: counted, never retried blindly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS


class ErrorAction(StrEnum):
    """Reaction to a failed send."""

    AGAIN = "again"  # retry the same message a little later
    SLOWER = "slower"  # retry the same message; all replicas send more slowly
    PAIR = "pair"  # retry the same message later; this recipient only
    DROP = "drop"  # the delivery has failed
    RECIPIENT = "recipient"  # the delivery has failed; report it to subscriptions
    TEMPLATE = "template"  # the template or its parameters are unacceptable
    SENDER = "sender"  # sending is impossible until a person has acted: token, permission, account, payment


@dataclass(frozen=True)
class ErrorRule:
    """Handling of one code. A message fails after `attempts` attempts; `german` is the text for editors and operators.

    Exceeding a rate does not count as an attempt, as the message is not its cause: it waits until it expires.
    """

    action: ErrorAction
    meaning: str
    german: str
    attempts: int = 1


# Attempts include other failures, so the exponent is limited: by then the pair limit has certainly passed.
MAX_PAIR_EXPONENT = 3
MAX_RETRY_SECONDS = 60.0  # longest wait that we accept from Meta
MAX_CODE = 2**31 - 1
MANY_ATTEMPTS = 30  # with pauses of up to a minute, about 25 minutes
_AGAIN, _SLOWER, _PAIR, _DROP, _RECIPIENT, _TEMPLATE, _SENDER = ErrorAction
_Row = tuple[ErrorAction, str, str] | tuple[ErrorAction, str, str, int]

_ROWS: Mapping[int, _Row] = {
    0: (_SENDER, "token cannot be authenticated", "Zugangsschlüssel wird nicht anerkannt"),
    1: (_AGAIN, "invalid request or server error", "Anfrage ungültig oder Störung bei Meta", 5),
    2: (_AGAIN, "temporary downtime", "Meta vorübergehend nicht erreichbar", MANY_ATTEMPTS),
    3: (_SENDER, "capability or permission missing", "Berechtigung fehlt"),
    4: (_SLOWER, "application call limit", "zu viele Aufrufe der Anwendung", MANY_ATTEMPTS),
    10: (_SENDER, "permission missing", "Berechtigung fehlt"),
    # Also 100 with subcode 33: the address of the request itself is unknown, or hidden from this token (Graph API).
    33: (_SENDER, "business number deleted, or not permitted", "unsere Nummer fehlt oder ist nicht freigegeben"),
    100: (_DROP, "parameter unsupported or misspelled", "Angabe unbekannt oder falsch geschrieben"),
    190: (_SENDER, "token expired", "Zugangsschlüssel abgelaufen"),
    368: (_SENDER, "account restricted for policy", "Konto wegen Regelverstoß eingeschränkt"),
    80007: (_SLOWER, "account call limit", "zu viele Aufrufe des Kontos", MANY_ATTEMPTS),
    130403: (_RECIPIENT, "recipient blocked by us", "von uns blockiert"),
    130429: (_SLOWER, "throughput reached", "zu viele Nachrichten auf einmal", MANY_ATTEMPTS),
    130472: (_DROP, "recipient is in a marketing experiment", "nimmt an einem Versuch von Meta ohne Werbung teil"),
    130497: (_DROP, "account barred from the recipient's country", "Konto darf in dieses Land nicht senden"),
    131000: (_AGAIN, "unknown error", "unbekannter Fehler bei Meta", 10),
    131005: (_SENDER, "access denied", "Zugriff verweigert"),
    131008: (_DROP, "required parameter missing", "Pflichtangabe fehlt"),
    131009: (_DROP, "parameter value invalid", "Angabe ungültig"),
    131016: (_AGAIN, "service unavailable", "Dienst bei Meta nicht verfügbar", MANY_ATTEMPTS),
    131021: (_DROP, "sender is recipient", "Empfänger ist unsere eigene Nummer"),
    131026: (_RECIPIENT, "undeliverable", "nicht zustellbar: kein WhatsApp, oder eine alte Fassung"),
    131030: (_DROP, "recipient not on the test number's list", "nicht auf der Liste der Testnummer"),  # pywa
    131031: (_SENDER, "account locked", "Konto gesperrt"),
    131037: (_SENDER, "display name not approved", "Anzeigename noch nicht genehmigt"),
    131042: (_SENDER, "payment problem", "Zahlung bei Meta gestört"),
    131044: (_SENDER, "payment problem", "Zahlung bei Meta gestört"),  # pywa
    131045: (_SENDER, "number not registered correctly", "unsere Nummer ist nicht richtig angemeldet"),
    131047: (_DROP, "outside the 24-hour window", "außerhalb des 24-Stunden-Fensters"),
    131048: (_SENDER, "spam or quality restriction", "wegen Spam-Verdacht oder schlechter Bewertung eingeschränkt"),
    131049: (_DROP, "dropped for a healthy ecosystem", "von Meta zurückgehalten: zu viel Werbung"),
    131050: (_RECIPIENT, "recipient stopped marketing messages", "hat Werbenachrichten in WhatsApp abbestellt"),
    131051: (_DROP, "message type unsupported", "Art der Nachricht wird nicht unterstützt"),
    131053: (_DROP, "media not usable", "Bild oder Datei nicht verwendbar"),
    131055: (_DROP, "marketing templates only", "nur Werbevorlagen erlaubt"),
    131056: (_PAIR, "too many messages to this recipient", "zu viele Nachrichten an diese Person", 12),
    131057: (_AGAIN, "maintenance", "Konto wird bei Meta gewartet", MANY_ATTEMPTS),
    131062: (_DROP, "user id not possible for this message", "mit dieser Kennung nicht erreichbar"),
    131063: (_TEMPLATE, "marketing disabled on this interface", "Werbenachrichten auf diesem Weg abgeschaltet"),
    131064: (_TEMPLATE, "template category misused", "Vorlage hat die falsche Kategorie"),
    132000: (_TEMPLATE, "wrong number of parameters", "Zahl der Angaben passt nicht zur Vorlage"),
    132001: (_TEMPLATE, "template missing or not approved", "Vorlage fehlt oder ist nicht genehmigt"),
    132005: (_DROP, "text too long with parameters", "Text mit Angaben zu lang"),
    132007: (_TEMPLATE, "content policy", "Vorlage verstößt gegen Inhaltsregeln"),
    132012: (_TEMPLATE, "parameter format", "Angaben haben das falsche Format"),
    132015: (_TEMPLATE, "template paused", "Vorlage von Meta angehalten"),
    132016: (_TEMPLATE, "template disabled", "Vorlage von Meta abgeschaltet"),
    132018: (_DROP, "parameter contains line breaks or tabs", "Angabe enthält Zeilenumbrüche oder Tabulatoren"),
    133004: (_AGAIN, "server temporarily unavailable", "Server bei Meta vorübergehend nicht verfügbar", MANY_ATTEMPTS),
    # Registering our number or its PIN is a person's task; a message may meet what came of it.
    **dict.fromkeys(
        (133000, 133005, 133006, 133008, 133009, 133015, 133016),
        (_SENDER, "number not registered correctly", "unsere Nummer ist nicht richtig angemeldet"),
    ),
    133010: (_SENDER, "number not registered", "unsere Nummer ist nicht angemeldet"),
    134101: (_AGAIN, "template still being synchronised", "Vorlage wird bei Meta noch abgeglichen", MANY_ATTEMPTS),
    134102: (_TEMPLATE, "template unavailable", "Vorlage nicht verfügbar"),
    135000: (_DROP, "unknown parameter problem", "unbekannter Fehler in einer Angabe"),
}
ERROR_RULES: Mapping[int, ErrorRule] = {code: ErrorRule(*row) for code, row in _ROWS.items()}

# Not caused by the message, which waits until the rate, the sender or the template permits it.
WAITING_ACTIONS = (ErrorAction.SLOWER, ErrorAction.SENDER, ErrorAction.TEMPLATE)
RECIPIENT_CODES = tuple(code for code, rule in ERROR_RULES.items() if rule.action is ErrorAction.RECIPIENT)
SETTLED_BY_HAND = "von Hand als fehlgeschlagen eingetragen"
UNKNOWN_CODE = ErrorRule(_DROP, "unknown code", "unbekannter Fehlercode")
ISOLATED_REFUSAL = ErrorRule(_AGAIN, "about one message", "nur diese Nachricht wird abgelehnt", MANY_ATTEMPTS)
TOO_MANY_REQUESTS = ErrorRule(_SLOWER, "HTTP 429", "zu viele Nachrichten auf einmal", MANY_ATTEMPTS)


def find_error_rule(code: int | None, http_status: int | None = None) -> ErrorRule:
    """Return the handling of an error by its code if known, else by the HTTP status; a status webhook may lack both."""
    if code is not None and code in ERROR_RULES:
        return ERROR_RULES[code]
    if code is not None and 200 <= code <= 299:
        return ErrorRule(_SENDER, "permission missing", "Berechtigung fehlt")  # Meta: 200 to 299 are permission errors
    if http_status == 429:  # seen without a known code (nyaruka/courier)
        return TOO_MANY_REQUESTS
    return UNKNOWN_CODE


def explain_failure(code: int | None) -> str:
    """Return why a delivery failed, in German; without a code, an operator decided it."""
    return SETTLED_BY_HAND if code is None else find_error_rule(code).german


def clamp_code(code: int) -> int:
    """Return Meta's code, limited to the range of the ledger's column."""
    return max(-MAX_CODE, min(MAX_CODE, code))


def compute_retry_delay(rule: ErrorRule, attempt: int, jitter: float) -> float:
    """Return the seconds to wait before attempt number `attempt + 1`; `jitter` is between 0 and 1.

    Meta's advice for the recipient pair limit is 4^n seconds. A message refused because of the sender is due shortly
    after the next probe, so that another message serves as the probe if there is one. Other delays double from one
    second to a minute, half of each at random.
    """
    match rule.action:
        case ErrorAction.TEMPLATE:
            return 0.0
        case ErrorAction.SENDER:
            return 1.1 * PROBE_DELAY_SECONDS
        case ErrorAction.PAIR:
            return float(4 ** min(attempt, MAX_PAIR_EXPONENT))
        case _:
            return min(60.0, 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)
