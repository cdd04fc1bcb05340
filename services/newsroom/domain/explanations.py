"""German explanations of the notices API's answers, for editors."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from services.newsroom.domain.drafts import OVERTAKEN, UNCHANGED, DraftKind
from services.newsroom.domain.german import format_moment
from services.newsroom.domain.sending import SendingNumber, SendingOverview, format_count
from shared.contracts.events import Problem

FIELD_NAMES: Mapping[str, str] = {
    "topic": "Thema",
    "municipalities": "Gemeinden",
    "headline": "Überschrift",
    "text": "Text",
    "link": "Link",
    "picture": "Bild",
    "urgent": "Eilmeldung",
    "scheduled_at": "Senden ab",
    "expirytime": "Gültig bis",
    "reason": "Grund",
    "quota": "Menge",
    "subject": "Meldung",
    "revision": "Fassung",
    "follows": "Bezug",
}
# Form field of a problem, where its name differs.
FORM_FIELDS: Mapping[str, str] = {"expirytime": "expires_at"}
FORM_NAMES: Mapping[str, str] = {FORM_FIELDS.get(field, field): name for field, name in FIELD_NAMES.items()}
_UNKNOWN = "nicht bekannt"
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[+-]\d\d:\d\d|Z)")
_SECONDS = re.compile(r"\d+ s")

# The first pattern found in `field: problem` applies; `{0}` is its first group.
_PROBLEMS: Mapping[str, str] = {
    r"^expirytime: is missing": "Bitte geben Sie an, bis wann die Meldung gilt.",
    r"^expirytime: is in the past": "Dieser Zeitpunkt ist schon vorbei.",
    r"^expirytime: must be within (\d+)": "Eine Meldung darf höchstens {0} Tage gelten.",
    r"^scheduled_at: is in the past": "Dieser Zeitpunkt ist schon vorbei. Ohne Zeitpunkt wird sofort gesendet.",
    r"^scheduled_at: must be before": "Der Beginn muss vor dem Ende der Gültigkeit liegen.",
    r"^topic: this system may": "Bitte wählen Sie ein Thema, zu dem die Redaktion veröffentlichen darf.",
    r"^topic: must be that of": "Eine Folgemeldung muss das Thema der ersten Meldung haben.",
    r"^municipalities: only for": "Gemeinden lassen sich bei diesem Thema nicht auswählen.",
    r"^municipalities: .*unknown": "Eine der Gemeinden ist nicht bekannt.",
    r"length >= 1|is blank|is missing": "Bitte füllen Sie dieses Feld aus.",
    r"^text: .*at most (\d+) characters": "Mit dem Prüfcode sind höchstens {0} Zeichen möglich.",
    r"at most (\d+) characters": "Höchstens {0} Zeichen sind möglich.",
    r"line break or a tab": "WhatsApp erlaubt hier keinen Zeilenumbruch und keinen Tabulator.",
    r"^headline: .*control characters": (
        "Die Überschrift enthält unsichtbare Zeichen. Tippen Sie die Stelle bitte neu."
    ),
    r"^(?:link|picture): .*control characters": (
        "Die Adresse enthält unsichtbare Zeichen. Bitte geben Sie sie neu ein."
    ),
    r"control characters": "Der Text enthält unsichtbare Zeichen. Tippen Sie die Stelle bitte neu.",
    r"more than 4 spaces": "WhatsApp erlaubt höchstens vier Leerzeichen hintereinander.",
    r"\{\{ or \}\}": "Die Zeichen {{ und }} sind nicht möglich.",
    r"^headline: .*may not be linked to \(only (.*?)\)": (
        "Die Überschrift enthält eine Adresse, auf die nicht verlinkt wird (erlaubt: {0}). Ist es keine, setzen Sie"
        " nach dem Punkt ein Leerzeichen."
    ),
    r"may not be linked to \(only (.*?)\)": (
        "Der Text enthält eine Adresse, auf die nicht verlinkt wird (erlaubt: {0}). Ist es keine, setzen Sie nach"
        " dem Punkt ein Leerzeichen."
    ),
    r"^picture: the topic": "Zu diesem Thema sind keine Bilder möglich.",
    r"begins with https": "Die Adresse muss mit https:// beginnen und darf keine Leerzeichen enthalten.",
    r"not a valid address": "Das ist keine gültige Adresse.",
    r"its host must be one of (.*)": "Die Adresse führt zu einer fremden Seite. Erlaubt: {0}.",
    r"neither a login nor a port": "Die Adresse darf weder Anmeldedaten noch eine Portnummer enthalten.",
    r"have (\d+) characters; (\d+)": (
        "Überschrift, Text, Prüfcode und Link haben zusammen {0} Zeichen, {1} sind möglich."
    ),
    r"was withdrawn": "Die Meldung wurde zurückgezogen. Schreiben Sie eine neue.",
    r"was published before": "Diese Meldung wurde schon veröffentlicht. Korrigieren Sie sie stattdessen.",
    r"updates an unknown notice": "Die erste Fassung ist nicht bekannt. Schreiben Sie eine neue Meldung.",
    r"^revision: ": OVERTAKEN,
    r"^subject: is the same": UNCHANGED,
    r"^follows: nobody": "Niemand hat die erste Meldung bekommen. Schreiben Sie eine neue Meldung.",
    r"^follows: ": "Die Meldung, auf die sich diese bezieht, ist nicht bekannt.",
    r"may publish (\d+) urgent.*from (\S+)": "Heute sind {0} Eilmeldungen möglich; die nächste ab {1}.",
    r"may publish (\d+) notices in an hour.*from (\S+)": (
        "In einer Stunde sind {0} Meldungen möglich; die nächste ab {1}."
    ),
    r"may publish (\d+) notices.*from (\S+)": "Am Tag sind {0} Meldungen möglich; die nächste ab {1}.",
    r"may publish (\d+) events.*from (\S+)": (
        "Am Tag sind {0} Vorgänge möglich, die nichts versenden; der nächste ab {1}."
    ),
    r"may publish \d+ .*never": "Dafür ist keine Menge vorgesehen. Bitte fragen Sie den Betrieb.",
    r"^id: was used": "Diese Kennung gehört zu etwas anderem. Bitte fragen Sie den Betrieb.",
    r"does not belong to this system|broker login": (
        "Die Redaktion ist dafür nicht angemeldet. Bitte fragen Sie den Betrieb."
    ),
    r"not about a topic": "Zu diesem Thema darf die Redaktion nicht veröffentlichen.",
}
_BLOCKERS: Mapping[str, str] = {
    r"^nobody has subscribed": (
        "Niemand bekommt die Meldung: Dieses Thema hat für das gewählte Gebiet noch niemand abonniert."
    ),
    r"^nobody will get it.*begin at (\S+)": (
        "Niemand bekommt die Meldung: Sie gilt nicht mehr, wenn die erlaubten Zeiten beginnen ({0})."
    ),
    r"^outside the permitted hours until (\S+)": "Gesendet wird erst ab {0}, wenn die erlaubten Zeiten beginnen.",
    r"^not everybody will get it: it takes about (\d+ s)": (
        "Nicht alle bekommen die Meldung: Der Versand dauert {0}, und vorher endet die Gültigkeit."
    ),
    r"^not everybody will get it: the permitted hours end at (\S+),": (
        "Nicht alle bekommen die Meldung: Die erlaubten Zeiten enden vorher ({0}), und bevor sie wieder beginnen,"
        " endet die Gültigkeit."
    ),
    r"^not everybody will get it: within the permitted hours it takes until (\S+),": (
        "Nicht alle bekommen die Meldung: In den erlaubten Zeiten dauert der Versand bis {0}, und vorher endet die"
        " Gültigkeit."
    ),
    r"^nobody will get it any more: it was cancelled": "Die Meldung bekommt niemand mehr: Der Versand ist beendet.",
    r"^1 still wait for the first": "Eine Person wartet noch auf die erste Meldung. Sie bekommt diese danach.",
    r"^(\d+) still wait for": "{0} Personen warten noch auf die erste Meldung. Sie bekommen diese danach.",
    r"several revisions counts": "Wer mehrere Fassungen der Meldung hat, ist hier mehrfach gezählt.",
    r"nothing (?:is|was) withdrawn": "Diese Meldung ist nicht bekannt; es gibt nichts zurückzuziehen.",
    r"could not be determined": (
        "Wie viele die Meldung bekommen, ließ sich gerade nicht feststellen. Versuchen Sie es gleich noch einmal."
    ),
}


def explain_problem(problem: Problem) -> str:
    """Return one sentence about the problem, without the name of the field."""
    return _translate(f"{problem.field}: {problem.problem}", _PROBLEMS) or f"Bitte prüfen ({problem.problem})."


def explain_blocker(blocker: str) -> str:
    return _translate(blocker, _BLOCKERS) or f"Hinweis der Technik: {blocker}"


def _translate(text: str, table: Mapping[str, str]) -> str | None:
    for pattern, german in table.items():
        if match := re.search(pattern, text):
            groups = [_show_value(group or "") for group in match.groups()]
            return german.format(*groups) if groups else german
    return None


def _show_value(text: str) -> str:
    if _ISO.fullmatch(text):
        return format_moment(datetime.fromisoformat(text))
    return explain_duration(int(text.removesuffix(" s"))) if _SECONDS.fullmatch(text) else text


def explain_audience(kind: DraftKind, audience: int | None) -> str:
    """Describe the audience of a notice of this kind, as far as it is known."""
    if audience is not None:
        return format_count(audience)
    return "alle, die die erste Meldung bekommen haben" if kind is DraftKind.FOLLOW_UP else _UNKNOWN


def explain_duration(seconds: int | None) -> str:
    """Describe the duration in a suitable unit; that of a follow-up is None, not known."""
    if seconds is None:
        return _UNKNOWN
    if seconds < 90:
        return f"etwa {seconds} Sekunden" if seconds > 1 else "wenige Sekunden"
    if seconds < 90 * 60:
        return f"etwa {round(seconds / 60)} Minuten"
    return f"etwa {round(seconds / 3600)} Stunden"


def explain_delays(sending: SendingOverview, template: str, audience: int | None) -> tuple[str, ...]:
    """Return what would delay a notice with this template (`name/language`) if published now, in German."""
    return (
        *(text for number in sending.numbers for text in _explain_number(number, audience)),
        *(
            f"WhatsApp nimmt die Vorlage „{pause.template}“ zurzeit nicht an ({pause.reason}). Die Meldung wartet, bis"
            " die Vorlage wieder angenommen wird, und verfällt, wenn sie bis dahin nicht mehr gilt."
            for pause in sending.templates
            if pause.template == template
        ),
    )


def _explain_number(number: SendingNumber, audience: int | None) -> Iterator[str]:
    if number.paused_reason:
        yield (
            f"Der Versand ist zurzeit angehalten ({number.paused_reason}). Die Meldung geht hinaus, sobald er"
            " weitergeht, und verfällt, wenn sie bis dahin nicht mehr gilt."
        )
    elif number.unreachable_since:
        yield (
            f"WhatsApp ist seit {format_moment(number.unreachable_since)} nicht erreichbar. Die Meldung geht hinaus,"
            " sobald es wieder antwortet."
        )
    elif number.is_slowed:
        yield (
            f"WhatsApp hat gebremst: Zurzeit gehen nur {number.permitted:.0f} statt {number.ceiling:.0f} Nachrichten in"
            " der Sekunde hinaus. Der Versand dauert entsprechend länger."
        )
    if number.people_left is not None and audience is not None and audience > number.people_left:
        yield (
            f"WhatsApp erlaubt in den nächsten 24 Stunden noch Nachrichten an {format_count(number.people_left)}"
            f" weitere {'Person' if number.people_left == 1 else 'Personen'}. Wer heute schon eine bekommen hat, zählt"
            " nicht noch einmal; die Übrigen bekommen die Meldung später, wenn sie dann noch gilt."
        )
