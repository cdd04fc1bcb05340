"""Texts that citizens read: formal, short, and stored by hash as proof of what they were shown."""

import hashlib
from dataclasses import dataclass

from services.subscriptions.domain.county import County


@dataclass(frozen=True)
class Wording:
    """Text, with the version that the county gives to all of its texts."""

    version: str
    text: str

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Wordings:
    """Texts that are the same for everybody; those about one person are in `replies`."""

    receipt: Wording
    unsubscribe_confirmation: Wording
    hint: Wording
    help: Wording
    why: Wording
    emergency: Wording
    emergency_dying: Wording
    ask_start: Wording
    ask_stop: Wording
    ask_both: Wording
    ask_erase: Wording
    not_subscribed: Wording
    feedback_how: Wording
    feedback_thanks: Wording
    trial_over: Wording

    def list_all(self) -> tuple[Wording, ...]:
        return tuple(vars(self).values())


def build_wordings(county: County) -> Wordings:
    """Return the texts of this county."""
    version = county.wording_version
    return Wordings(
        receipt=build_receipt_wording(county, ", ".join(topic.title for topic in county.topics), ""),
        ask_start=build_start_question(county, ""),
        **{name: Wording(version, text) for name, text in (_build_answers(county) | _QUESTIONS).items()},
    )


def build_receipt_wording(county: County, topics: str, where: str) -> Wording:
    """Return the consent receipt: topics, sender, frequency, and how to unsubscribe."""
    text = (
        f"Vielen Dank, Sie sind angemeldet. Der {county.name} informiert Sie hier zu: {topics}."
        f"{where and ' '}{where}\n\n"
        f"Häufigkeit: {county.frequency}.\n"
        "Themen ändern: Tippen Sie unten auf Themen wählen oder schreiben Sie Themen.\n"
        "Abmelden: Schreiben Sie jederzeit Stop.\n"
        f"Datenschutz: {county.privacy_url}\n\n"
        "Mit Ihrer Anmeldung willigen Sie ein, diese Meldungen über WhatsApp zu erhalten. "
        f"Fassung {county.wording_version}"
    )
    return Wording(county.wording_version, text)


def build_start_question(county: County, about: str) -> Wording:
    """Return the question whether to subscribe; `about` names the choice, such as " zu Baustellen"."""
    text = (
        f"Möchten Sie vom {county.name} über WhatsApp Meldungen{about} erhalten?\n\n"
        "Dann tippen Sie bitte auf Start oder antworten Sie mit Start oder Ja."
    )
    return Wording(county.wording_version, text)


def _build_answers(county: County) -> dict[str, str]:
    contact = f"Für Ihre Anliegen: Telefon {county.telephone}"
    emergency = (
        f"Notfall? Bitte rufen Sie sofort an: {county.emergency}.\n\n"
        "Nachrichten an diese Nummer liest niemand. Auf diesem Weg kommt keine Hilfe."
    )
    return {
        "unsubscribe_confirmation": (
            f"Sie sind abgemeldet und erhalten vom {county.name} keine Meldungen mehr über WhatsApp.\n\n"
            f"Wieder anmelden: Start\n{contact}"
        ),
        "hint": (
            "Vielen Dank für Ihre Nachricht. Dieser Kanal dient nur der Information, "
            "hier können wir keine Anliegen bearbeiten.\n\n"
            f"Telefon: {county.telephone}\n"
            f"Vor Ort: {county.counter}\n"
            f"Zeiten: {county.hours}\n\n"
            "Anmelden: Start, abmelden: Stop, mehr: Hilfe"
        ),
        "help": _build_help_text(county),
        "why": (
            f"Diese Nummer gehört dem {county.name}. Meldungen erhält hier nur, wer sich selbst angemeldet hat. "
            "Ihre Nummer kennen wir aus Ihrer Nachricht an uns. Wir speichern sie verschlüsselt.\n\n"
            f"Datenschutz: {county.privacy_url}\n"
            "Gespeicherte Daten: Daten\n"
            f"Abmelden: Stop\n{contact}"
        ),
        "emergency": emergency,
        "emergency_dying": (
            f"{emergency}\n\n"
            "Möchten Sie nicht mehr leben, oder sorgen Sie sich um jemanden? Die Telefonseelsorge ist Tag und Nacht "
            f"kostenlos für Sie da: {county.crisis_line}."
        ),
        "not_subscribed": f"Sie sind nicht angemeldet und erhalten keine Meldungen.\n\nAnmelden: Start\n{contact}",
        "feedback_thanks": (
            "Vielen Dank für Ihre Rückmeldung. Wir speichern sie ohne Ihre Nummer und löschen sie nach "
            f"{county.feedback_days} Tagen. Hier können wir Ihnen nicht antworten.\n\n{contact}"
        ),
        "trial_over": (
            "Dieser Testcode gilt nicht oder nicht mehr. Einen neuen finden Sie in der Redaktion beim Entwurf."
        ),
    }


_QUESTIONS = {
    "ask_stop": (
        "Möchten Sie sich abmelden und keine Meldungen mehr erhalten? "
        "Dann tippen Sie bitte auf Stop oder antworten Sie mit Stop oder Ja.\n\n"
        "Nur eine Pause: Pause 2 Wochen\nAndere Themen: Themen"
    ),
    "ask_both": (
        "Möchten Sie sich anmelden oder abmelden? "
        "Zum Anmelden tippen Sie bitte auf Start oder schreiben Sie Start. "
        "Zum Abmelden tippen Sie auf Stop oder schreiben Sie Stop."
    ),
    "ask_erase": (
        "Sollen wir alles löschen, was wir über Sie gespeichert haben? Dann schreiben Sie bitte Löschen. "
        "Damit sind Sie auch abgemeldet.\n\nNur abmelden: Stop\nSehen, was gespeichert ist: Daten"
    ),
    "feedback_how": "Ihre Meinung ist uns willkommen. Bitte schreiben Sie Ihren Text in der nächsten Nachricht.",
}


def _build_help_text(county: County) -> str:
    places = "Gemeinden: Orte auswählen\n" if county.has_places else ""
    return (
        "Das können Sie uns schreiben:\n"
        "Start: anmelden\n"
        "Stop: abmelden\n"
        "Themen: Themen auswählen\n"
        f"{places}"
        "Pause 2 Wochen: Meldungen aussetzen\n"
        "Warum: Grund und Datenschutz\n"
        "Daten: was gespeichert ist\n"
        "Löschen: alles löschen\n"
        "Feedback: Ihre Meinung\n\n"
        f"Für Ihre Anliegen erreichen Sie uns unter {county.telephone}. Im Notfall: {county.emergency}."
    )
