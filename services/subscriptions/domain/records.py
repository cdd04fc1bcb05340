"""Access and erasure by chat: everything that is stored about a person, and what is left of it afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.subscriptions.domain.answers import BERLIN, Answer, Answers, day
from services.subscriptions.domain.consent import Consent, ConsentEvent
from services.subscriptions.domain.feedback import MOST_SHOWN, Feedback, FeedbackKind
from services.subscriptions.domain.guard import NEW, Conversation
from services.subscriptions.domain.language.payloads import BAD, GOOD
from services.subscriptions.domain.parts import in_parts, part_of
from services.subscriptions.domain.subscriber import Subscriber
from shared.contracts.promises import DELIVERY_DAYS, WITHDRAWAL_MARGIN_DAYS

# Meta repeats a webhook for up to seven days; until then a message has to be known again.
INBOX_DAYS = 9
CONVERSATION_DAYS = 2
# Answers that hold what a person said or who they were: nobody needs them once they have arrived.
PERSONAL_ANSWER_DAYS = 1
NOTES_DAYS = DELIVERY_DAYS + WITHDRAWAL_MARGIN_DAYS
_EVENTS = {
    ConsentEvent.GIVEN: "Einwilligung",
    ConsentEvent.WITHDRAWN: "Widerruf",
    ConsentEvent.CHANGED: "Änderung",
    ConsentEvent.MOVED: "neue Nummer",
    ConsentEvent.MERGED: "zusammengeführt",
    ConsentEvent.ERASED: "Löschung",
}
_RATINGS = {GOOD: "Hilfreich", BAD: "Nicht hilfreich"}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """All that is stored about a sender. `erased_at` is when they last had everything deleted."""

    subscriber: Subscriber | None = None
    history: tuple[Consent, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    conversation: Conversation = NEW
    erased_at: datetime | None = None


def record(stored: Stored, answers: Answers, now: datetime, part: int = 1) -> Answer:
    """All of it in one message; of a record that is longer than WhatsApp permits, one part and how to get the next."""
    parts = in_parts(_lines(stored, answers, now))
    number, text = part_of(parts, part)
    which = f", Teil {number} von {len(parts)}" if len(parts) > 1 else ""
    following = f"\n\nNächster Teil: Daten {number + 1}" if number < len(parts) else ""
    return answers.said(f"Über Sie ist gespeichert{which}:\n{text}{following}")


def _lines(stored: Stored, answers: Answers, now: datetime) -> Iterable[str]:
    yield from _person(stored.subscriber, answers, now)
    hinted_at = stored.conversation.hinted_at
    yield f"Letzter allgemeiner Hinweis: {_when(hinted_at) if hinted_at else 'keiner'}"
    yield f"Anzahl unserer Antworten: {CONVERSATION_DAYS} Tage gespeichert"
    yield f"Unsere letzte Frage an Sie, wenn sie noch offen ist: höchstens {CONVERSATION_DAYS} Tage"
    yield f"Interne Nummern Ihrer letzten Nachrichten, ohne Text, und unsere Antworten: höchstens {INBOX_DAYS} Tage"
    yield f"Meldungen an Sie, mit Zeitpunkt, Ergebnis und verschlüsselter Adresse: höchstens {DELIVERY_DAYS} Tage"
    yield f"Einträge zu Abmeldungen und zu Meldungen, die nicht ankamen: höchstens {NOTES_DAYS} Tage"
    kept = answers.county.dead_letter_days
    yield f"Nachrichten, die wir nicht verarbeiten konnten, verschlüsselt: höchstens {kept} Tage"
    if stored.erased_at:
        yield f"Frühere Löschung: {stored.erased_at.astimezone(BERLIN):%d.%m.%Y}"
    yield f"Namen, Bilder und andere Texte von Ihnen speichern wir nicht. Datenschutz: {answers.county.privacy_url}"
    yield "Alles löschen: Löschen"
    yield from _entries(stored.history, answers)
    yield from _opinions(stored.feedback, answers)


def _person(subscriber: Subscriber | None, answers: Answers, now: datetime) -> Iterable[str]:
    if subscriber is None:
        yield "Anmeldung: keine"
        return
    state = f"angemeldet, Themen: {answers.titles(subscriber.topics)}" if subscriber.subscribed else "abgemeldet"
    yield f"Anmeldung: {state}"
    if subscriber.suspended:
        yield f"In WhatsApp abbestellt: {answers.titles(subscriber.suspended)}"
    yield f"Adresse: {_addresses(subscriber)}; dazu eine interne Nummer"
    if subscriber.places:
        yield f"Gemeinden: {', '.join(sorted(subscriber.places))}"
    if subscriber.paused_until and subscriber.pauses(now):
        yield f"Pause bis einschließlich {day(subscriber.paused_until - timedelta(seconds=1))}"


def _addresses(subscriber: Subscriber) -> str:
    known = subscriber.addresses
    named = (("Telefonnummer", known.phone), ("WhatsApp-Nutzernummer", known.user))
    names = [name for name, address in named if address]
    kept = "verschlüsselt" if subscriber.subscribed else "nur als Prüfwert, nicht lesbar"
    return f"{' und '.join(names)}, {kept}" if names else "keine"


def _entries(history: Sequence[Consent], answers: Answers) -> Iterable[str]:
    if history:
        yield f"\nNachweis der Einwilligung, bis {answers.county.proof_days} Tage nach ihrem Ende:"
    yield from (_entry(entry, answers) for entry in history)


def _entry(entry: Consent, answers: Answers) -> str:
    topics = f": {answers.titles(entry.topics)}" if entry.topics and entry.event is not ConsentEvent.MOVED else ""
    version = f" (Fassung {entry.wording.version})" if entry.wording else ""
    return f"{_when(entry.said_at)} {_EVENTS[entry.event]}{topics}{version}"


def _opinions(feedback: Sequence[Feedback], answers: Answers) -> Iterable[str]:
    if not feedback:
        yield "\nRückmeldungen von Ihnen: keine"
        return
    yield f"\nRückmeldungen von Ihnen, ohne Ihre Nummer, {answers.county.feedback_days} Tage:"
    yield from (_opinion(each, answers) for each in feedback)
    if len(feedback) >= MOST_SHOWN:
        yield f"Das sind die {MOST_SHOWN} neuesten."


def _opinion(feedback: Feedback, answers: Answers) -> str:
    about = f" zu {answers.titles([feedback.topic]) or feedback.topic}" if feedback.topic else ""
    said = f"„{feedback.said}“" if feedback.kind is FeedbackKind.TEXT else _RATINGS.get(feedback.value, feedback.value)
    return f"{feedback.at.astimezone(BERLIN):%d.%m.%Y %H} Uhr{about}: {said}"


def _when(moment: datetime) -> str:
    return moment.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M")


def erased(answers: Answers, now: datetime, *, consented: bool) -> Answer:
    """What remains, and until when; there is no proof of a consent that was never given."""
    proof, notes, inbox = (
        day(now + timedelta(days=days)) for days in (answers.county.proof_days, NOTES_DAYS, INBOX_DAYS)
    )
    what = "Ihrer Einwilligung und dieser Löschung" if consented else "dieser Löschung"
    return answers.said(
        "Ihre Daten sind gelöscht, Sie sind abgemeldet.\n\n"
        f"Ohne Ihre Nummer bleiben: der Nachweis {what} bis {proof}, "
        f"Einträge zur Abmeldung und zu den Meldungen an Sie bis spätestens {notes}, "
        f"interne Nummern Ihrer Nachrichten ohne Text bis {inbox}. Danach ist auch das gelöscht. "
        "Bei WhatsApp selbst beantragen wir die Löschung Ihres Kontakteintrags.\n\n"
        "Wieder anmelden: Start"
    )
