"""Access and erasure by chat: everything that is stored about a person, and what is left of it afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.subscriptions.domain.answers import BERLIN, Answer, Answers, day
from services.subscriptions.domain.consent import Consent, ConsentEvent
from services.subscriptions.domain.guard import Conversation
from services.subscriptions.domain.subscriber import Subscriber

# Meta repeats a webhook for up to seven days; until then a message has to be known again.
INBOX_DAYS = 9
# What the dispatcher keeps deliveries for, unless it is set up otherwise.
DELIVERY_DAYS = 90
MOST_ENTRIES = 12
_EVENTS = {
    ConsentEvent.GIVEN: "Einwilligung",
    ConsentEvent.WITHDRAWN: "Widerruf",
    ConsentEvent.CHANGED: "Änderung",
    ConsentEvent.MOVED: "neue Nummer",
    ConsentEvent.MERGED: "zusammengeführt",
    ConsentEvent.ERASED: "Löschung",
}


def record(
    subscriber: Subscriber | None,
    history: Sequence[Consent],
    feedbacks: int,
    conversation: Conversation,
    answers: Answers,
    now: datetime,
    erased_at: datetime | None = None,
) -> Answer:
    """One message with all of it; a long record is shortened in the middle and says so."""
    parts = [
        "Über Sie ist gespeichert:",
        *_person(subscriber, answers, now),
        f"Rückmeldungen von Ihnen: {feedbacks}, mit Text, ohne Ihre Nummer, {answers.county.feedback_days} Tage",
        f"Letzter allgemeiner Hinweis: {_when(conversation.hinted_at) if conversation.hinted_at else 'keiner'}",
        "Zähler unserer Antworten an Sie: 2 Tage",
        f"Kennungen Ihrer letzten Nachrichten, ohne deren Text: {INBOX_DAYS} Tage",
        f"Zustellungen an Sie, Zeitpunkt und Zustand: {DELIVERY_DAYS} Tage",
        f"Vermerke zu Abmeldungen und unzustellbaren Meldungen: bis zu {DELIVERY_DAYS + 14} Tage",
        *([f"Frühere Löschung: {_when(erased_at)}"] if erased_at else []),
        *_entries(history, answers),
        f"\nNamen, Bilder und andere Texte speichern wir nicht. Datenschutz: {answers.county.privacy_url}",
        "Alles löschen: Löschen",
    ]
    return answers.said("\n".join(parts))


def _person(subscriber: Subscriber | None, answers: Answers, now: datetime) -> list[str]:
    if subscriber is None:
        return ["Anmeldung: keine"]
    state = f"angemeldet, Themen: {answers.titles(subscriber.topics)}" if subscriber.subscribed else "abgemeldet"
    lines = [f"Anmeldung: {state}", f"Adresse: {_addresses(subscriber)}"]
    if subscriber.places:
        lines.append(f"Gemeinden: {', '.join(sorted(subscriber.places))}")
    if subscriber.paused_until and subscriber.pauses(now):
        lines.append(f"Pause bis einschließlich {day(subscriber.paused_until - timedelta(seconds=1))}")
    return lines


def _addresses(subscriber: Subscriber) -> str:
    known = subscriber.addresses
    names = [name for name, address in (("Telefonnummer", known.phone), ("WhatsApp-Kennung", known.user)) if address]
    kept = "verschlüsselt" if subscriber.subscribed else "nur als Prüfwert, nicht lesbar"
    return f"{' und '.join(names)}, {kept}" if names else "keine"


def _entries(history: Sequence[Consent], answers: Answers) -> list[str]:
    if not history:
        return []
    shown = history if len(history) <= MOST_ENTRIES else [*history[:2], *history[2 - MOST_ENTRIES :]]
    left_out = len(history) - len(shown)
    lines = [_entry(entry, answers) for entry in shown]
    if left_out:
        lines.insert(2, f"… und {left_out} weitere Einträge; vollständig auf Anfrage")
    return ["\nNachweis der Einwilligung:", *lines]


def _entry(entry: Consent, answers: Answers) -> str:
    topics = f": {answers.titles(entry.topics)}" if entry.topics and entry.event is not ConsentEvent.MOVED else ""
    version = f" (Fassung {entry.wording.version})" if entry.wording else ""
    return f"{_when(entry.said_at)} {_EVENTS[entry.event]}{topics}{version}"


def _when(moment: datetime) -> str:
    return moment.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M")


def erased(answers: Answers, now: datetime) -> Answer:
    """What remains, and until when."""
    proof = day(now + timedelta(days=answers.county.proof_days))
    inbox = day(now + timedelta(days=INBOX_DAYS))
    return answers.said(
        "Ihre Daten sind gelöscht, Sie sind abgemeldet.\n\n"
        f"Es bleiben: der Nachweis Ihrer Einwilligung und dieser Löschung ohne Ihre Nummer bis {proof}, "
        f"Kennungen Ihrer Nachrichten ohne Text bis {inbox}. Danach sind auch diese gelöscht. "
        "Bei WhatsApp selbst haben wir die Löschung Ihres Kontakteintrags beantragt.\n\n"
        "Wieder anmelden: Start"
    )
