"""What citizens read. Formal, short, and kept by its hash, so that one can prove what was shown."""

import hashlib
from dataclasses import dataclass

from services.subscriptions.domain.county import County


@dataclass(frozen=True)
class Wording:
    """One text, with the version that the county gave to all of them."""

    version: str
    text: str

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Wordings:
    """The texts that are the same for everybody; those about one person are in `answers`."""

    receipt: Wording
    farewell: Wording
    hint: Wording
    help: Wording
    why: Wording
    emergency: Wording
    ask_start: Wording
    ask_stop: Wording
    ask_both: Wording
    not_subscribed: Wording
    feedback_how: Wording
    feedback_thanks: Wording

    def all(self) -> tuple[Wording, ...]:
        return tuple(vars(self).values())


def wordings(county: County) -> Wordings:
    """The texts for this county."""
    return Wordings(**{name: Wording(county.wording_version, text) for name, text in _texts(county).items()})


def receipt(county: County, topics: str) -> Wording:
    """The consent receipt: what, from whom, how often, how to leave."""
    return Wording(county.wording_version, _receipt(county, topics))


def _texts(county: County) -> dict[str, str]:
    return {
        "receipt": _receipt(county, ", ".join(topic.title for topic in county.topics)),
        "farewell": (
            f"Sie sind abgemeldet und erhalten vom {county.name} keine Meldungen mehr über WhatsApp.\n\n"
            "Wieder anmelden: Start"
        ),
        "hint": _hint(county),
        "help": _help(county),
        "why": _why(county),
        "emergency": (
            f"Notfall? Bitte rufen Sie sofort an: {county.emergency}.\n\n"
            "Nachrichten an diese Nummer liest niemand, Hilfe kommt auf diesem Weg nicht."
        ),
        "ask_start": (
            f"Möchten Sie Meldungen vom {county.name} über WhatsApp erhalten? "
            "Dann tippen Sie bitte auf Start oder schreiben Sie Start."
        ),
        "ask_stop": (
            "Möchten Sie keine Meldungen mehr erhalten? Dann tippen Sie bitte auf Stop oder schreiben Sie Stop."
        ),
        "ask_both": "Was möchten Sie? Bitte tippen Sie auf Start zum Anmelden oder auf Stop zum Abmelden.",
        "not_subscribed": "Sie sind nicht angemeldet und erhalten keine Meldungen.\n\nAnmelden: Start",
        "feedback_how": "Ihre Meinung ist uns willkommen. Schreiben Sie bitte Feedback: und dahinter Ihren Text.",
        "feedback_thanks": (
            "Vielen Dank für Ihre Rückmeldung. Sie wird ohne Ihre Nummer gespeichert und "
            f"nach {county.feedback_days} Tagen gelöscht. Antworten können wir Ihnen hier nicht."
        ),
    }


def _receipt(county: County, topics: str) -> str:
    return (
        f"Vielen Dank, Sie sind angemeldet. Der {county.name} informiert Sie hier zu: {topics}.\n\n"
        f"Häufigkeit: {county.frequency}.\n"
        "Themen auswählen: unten oder mit Themen.\n"
        "Abmelden: Schreiben Sie jederzeit Stop.\n"
        f"Datenschutz: {county.privacy_url}\n\n"
        "Mit Ihrer Anmeldung willigen Sie ein, diese Meldungen über WhatsApp zu erhalten. "
        f"Fassung {county.wording_version}"
    )


def _hint(county: County) -> str:
    return (
        "Vielen Dank für Ihre Nachricht. Dieser Kanal dient nur der Information, "
        "hier können wir keine Anliegen bearbeiten.\n\n"
        f"Telefon: {county.telephone}\n"
        f"Vor Ort: {county.counter}\n"
        f"Zeiten: {county.hours}\n\n"
        "Anmelden: Start, abmelden: Stop, mehr: Hilfe"
    )


def _help(county: County) -> str:
    return (
        "Das können Sie uns schreiben:\n"
        "Start: anmelden\n"
        "Stop: abmelden\n"
        "Themen: Themen auswählen\n"
        "Gemeinden: Orte auswählen\n"
        "Pause 2 Wochen: Meldungen aussetzen\n"
        "Warum: Grund und Datenschutz\n"
        "Daten: was gespeichert ist\n"
        "Löschen: alles löschen\n"
        "Feedback: Ihre Meinung\n\n"
        f"Für Ihre Anliegen erreichen Sie uns unter {county.telephone}. Im Notfall: {county.emergency}."
    )


def _why(county: County) -> str:
    return (
        f"Diese Nummer gehört dem {county.name}. Meldungen erhält hier nur, wer selbst Start geschrieben hat. "
        "Ihre Nummer haben wir aus Ihrer Nachricht an uns, sie wird verschlüsselt gespeichert.\n\n"
        f"Datenschutz: {county.privacy_url}\n"
        "Gespeicherte Daten: Daten\n"
        "Abmelden: Stop"
    )
