"""Access and erasure by chat: everything that is stored about a person, and what remains after an erasure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.subscriptions.domain.consent import Consent, ConsentEvent
from services.subscriptions.domain.conversation import NEW_CONVERSATION, Conversation
from services.subscriptions.domain.feedback import MAX_SHOWN_FEEDBACK, AuthorKey, Feedback, FeedbackKind
from services.subscriptions.domain.intents.intent import BAD, GOOD
from services.subscriptions.domain.publication import Publication, build_event
from services.subscriptions.domain.replies import ReplyBuilder, ReplyContent, format_day
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, list_indexes
from shared.contracts.events import SubscriberErased
from shared.contracts.hours import LOCAL_ZONE
from shared.contracts.ids import make_timed_id
from shared.contracts.message import Address, Addresses, AddressKind
from shared.contracts.retention import MAX_DELIVERY_RETENTION_DAYS, WITHDRAWAL_RETENTION_MARGIN_DAYS
from shared.contracts.text import count_units


@dataclass(frozen=True, kw_only=True)
class ErasureScope:
    """Data to delete: the rows of these subscribers, and everything that belongs to these addresses.

    Addresses under `former_indexes` may belong to somebody else by now: only the answers sent to them are deleted, and
    letters and withdrawals that name nobody else. The person has moved away from those under `given_up`.
    """

    subscribers: tuple[UUID, ...]
    indexes: tuple[bytes, ...]
    former_indexes: tuple[bytes, ...] = ()
    given_up: tuple[bytes, ...] = ()
    authors: tuple[bytes, ...]
    moment: MessageTime


def build_erasure(
    people: tuple[Subscriber, ...],
    sender: Addresses,
    moment: MessageTime,
    key: AuthorKey,
    state: "StoredState",
) -> ErasureScope:
    """Return the scope of an erasure; the history also names the rows that were merged into the person's."""
    indexes = collect_indexes(people, sender)
    former_indexes = {*state.former_indexes} - {*indexes}
    return ErasureScope(
        subscribers=_collect_ids(people, state.history),
        indexes=indexes,
        former_indexes=tuple(sorted(former_indexes)),
        given_up=tuple(sorted(former_indexes - {*sender.also})),
        authors=derive_authors(key, people, {*indexes, *state.former_indexes}, state.history),
        moment=moment,
    )


def derive_authors(
    key: AuthorKey, people: Iterable[Subscriber], addresses: Iterable[bytes], history: Iterable[Consent] = ()
) -> tuple[bytes, ...]:
    """Return the author pseudonyms of a person; feedback from before they subscribed belongs to an address."""
    identifiers = (*(subscriber.bytes for subscriber in _collect_ids(people, history)), *sorted(addresses))
    return tuple(map(key.derive_author, identifiers))


def _collect_ids(people: Iterable[Subscriber], history: Iterable[Consent]) -> tuple[UUID, ...]:
    return tuple({person.id: None for person in people} | {entry.subscriber: None for entry in history})


def collect_indexes(people: Iterable[Subscriber], sender: Addresses) -> tuple[bytes, ...]:
    """Return the blind indexes of all addresses of these people, and of the address that they write from now."""
    indexes = {index for person in people for index in list_indexes(person.addresses)} | set(list_indexes(sender))
    return tuple(sorted(indexes))


def build_erased_event(scope: ErasureScope, people: Iterable[Addresses], message_key: bytes) -> Publication:
    """Return the event that makes the dispatcher purge all addresses.

    The dispatcher also asks Meta to delete them, for which it needs the encrypted addresses of `people`.
    """
    identifier = make_timed_id(scope.moment.at, b"erased", message_key)
    addresses = {index: Address(kind=AddressKind.PHONE, index=index, sealed=b"") for index in scope.former_indexes}
    known = [address for person in people for address in (person.phone, person.user) if address]
    encrypted_last = sorted(reversed(known), key=lambda address: bool(address.sealed))
    addresses |= {address.index: address for address in encrypted_last}
    message = SubscriberErased(
        erasure=identifier,
        subscribers=scope.subscribers,
        addresses=tuple(addresses.values()),
        at=scope.moment.at,
    )
    return build_event(message, identifier=identifier, at=scope.moment.received_at, required=True)


# Meta repeats a webhook for up to seven days; until then a duplicate message must be recognised.
INBOX_RETENTION_DAYS = 9
CONVERSATION_RETENTION_DAYS = 2
# An answer with a person's own words is not needed once it has arrived.
PERSONAL_ANSWER_RETENTION_DAYS = 1
DELIVERY_NOTES_RETENTION_DAYS = MAX_DELIVERY_RETENTION_DAYS + WITHDRAWAL_RETENTION_MARGIN_DAYS
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
class StoredState:
    """Stored state of a sender and, as `former_by_…`, of their former addresses.

    `moved_subscriber` is set if no row has the sender's address: the person who had it when the message was written and
    has moved since. `last_erasure` is when the person last had everything deleted. `history`, `feedback` (newest first,
    as much as is shown), `feedback_ids` (of all feedback) and `former_indexes` (blind indexes of the sender's earlier
    addresses) are filled only on request. `trial_text` is the newsroom's text for the sender's code; empty if none.
    """

    by_user: Subscriber | None = None
    by_phone: Subscriber | None = None
    former_by_user: Subscriber | None = None
    former_by_phone: Subscriber | None = None
    moved_subscriber: Subscriber | None = None
    conversation: Conversation = NEW_CONVERSATION
    last_erasure: MessageTime | None = None
    history: tuple[Consent, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    feedback_ids: tuple[UUID, ...] = ()
    former_indexes: tuple[bytes, ...] = ()
    trial_text: str = ""


NOTHING_STORED = StoredState()


def build_access_report(
    subscriber: Subscriber | None, stored: StoredState, replies: ReplyBuilder, now: datetime, part: int = 1
) -> ReplyContent:
    """Return everything stored in one message; if that is too long for WhatsApp, one part and how to get the next."""
    parts = split_into_parts(_list_lines(subscriber, stored, replies, now))
    number = max(1, min(part, len(parts)))  # the last one if there are fewer
    part_label = f", Teil {number} von {len(parts)}" if len(parts) > 1 else ""
    following = f"\n\nNächster Teil: Daten {number + 1}" if number < len(parts) else ""
    return replies.build_text(f"Über Sie ist gespeichert{part_label}:\n{parts[number - 1]}{following}")


def _list_lines(
    subscriber: Subscriber | None, stored: StoredState, replies: ReplyBuilder, now: datetime
) -> Iterable[str]:
    yield from _describe_person(subscriber, replies, now)
    hinted_at = stored.conversation.hinted_at
    yield f"Letzter allgemeiner Hinweis: {_format_time(hinted_at) if hinted_at else 'keiner'}"
    yield f"Anzahl unserer Antworten: {CONVERSATION_RETENTION_DAYS} Tage gespeichert"
    yield f"Unsere letzte Frage an Sie, wenn sie noch offen ist: höchstens {CONVERSATION_RETENTION_DAYS} Tage"
    for description, days in (
        ("Interne Nummern Ihrer letzten Nachrichten, ohne Text, und unsere Antworten", INBOX_RETENTION_DAYS),
        ("Meldungen an Sie, mit Zeitpunkt, Ergebnis und verschlüsselter Adresse", MAX_DELIVERY_RETENTION_DAYS),
        ("Einträge zu Abmeldungen und zu Meldungen, die nicht ankamen", DELIVERY_NOTES_RETENTION_DAYS),
        ("Nachrichten, die wir nicht verarbeiten konnten, verschlüsselt", replies.county.dead_letter_days),
    ):
        yield f"{description}: höchstens {days} Tage"
    if stored.last_erasure:
        yield f"Frühere Löschung: {stored.last_erasure.at.astimezone(LOCAL_ZONE):%d.%m.%Y}"
    yield f"Namen, Bilder und andere Texte von Ihnen speichern wir nicht. Datenschutz: {replies.county.privacy_url}"
    yield "Alles löschen: Löschen"
    if stored.history:
        yield f"\nNachweis der Einwilligung, bis {replies.county.proof_days} Tage nach ihrem Ende:"
    yield from (_describe_consent(entry, replies) for entry in stored.history)
    yield from _describe_all_feedback(stored.feedback, replies)


def _describe_person(subscriber: Subscriber | None, replies: ReplyBuilder, now: datetime) -> Iterable[str]:
    if subscriber is None:
        yield "Anmeldung: keine"
        return
    state = f"angemeldet, Themen: {_name_topics(subscriber.topics, replies)}" if subscriber.subscribed else "abgemeldet"
    yield f"Anmeldung: {state}"
    if subscriber.suspended:
        yield f"In WhatsApp abbestellt: {_name_topics(subscriber.suspended, replies)}"
    if refused := subscriber.topic_times.keys() - subscriber.topics - subscriber.suspended:
        yield f"Abbestellt: {_name_topics(refused, replies)}"
    yield f"Adresse: {_describe_addresses(subscriber)}; dazu eine interne Nummer"
    if subscriber.places:
        yield f"Gemeinden: {', '.join(sorted(subscriber.places))}"
    if subscriber.paused_until and subscriber.is_paused(now):
        yield f"Pause bis einschließlich {format_day(subscriber.paused_until - timedelta(seconds=1))}"


def _name_topics(topics: Iterable[str], replies: ReplyBuilder) -> str:
    """Return the titles, and the ids of topics that the county file no longer contains: they are stored, too."""
    stored = frozenset(topics)
    return ", ".join(filter(None, (replies.join_titles(stored), *sorted(stored - replies.county.topic_ids))))


def _describe_addresses(subscriber: Subscriber) -> str:
    addresses = subscriber.addresses
    labelled = (("Telefonnummer", addresses.phone), ("WhatsApp-Nutzernummer", addresses.user))
    names = [name for name, address in labelled if address]
    storage = "verschlüsselt" if subscriber.subscribed else "nur als Prüfwert, nicht lesbar"
    return f"{' und '.join(names)}, {storage}" if names else "keine"


def _describe_consent(entry: Consent, replies: ReplyBuilder) -> str:
    names = "" if entry.event is ConsentEvent.MOVED else _name_topics(entry.topics, replies)
    topics = f": {names}" if names else ""
    version = f" (Fassung {entry.wording.version})" if entry.wording else ""
    return f"{_format_time(entry.said_at)} {_EVENTS[entry.event]}{topics}{version}"


def _describe_all_feedback(feedback: Sequence[Feedback], replies: ReplyBuilder) -> Iterable[str]:
    if not feedback:
        yield "\nRückmeldungen von Ihnen: keine"
        return
    yield f"\nRückmeldungen von Ihnen, ohne Ihre Nummer, {replies.county.feedback_days} Tage:"
    yield from (_describe_feedback(entry, replies) for entry in feedback)
    if len(feedback) >= MAX_SHOWN_FEEDBACK:
        yield f"Das sind die {MAX_SHOWN_FEEDBACK} neuesten."


def _describe_feedback(feedback: Feedback, replies: ReplyBuilder) -> str:
    about = f" zu {_name_topics([feedback.topic], replies)}" if feedback.topic else ""
    content = (
        f"„{feedback.text}“" if feedback.kind is FeedbackKind.TEXT else _RATINGS.get(feedback.value, feedback.value)
    )
    return f"{feedback.at.astimezone(LOCAL_ZONE):%d.%m.%Y %H} Uhr{about}: {content}"


def _format_time(moment: datetime) -> str:
    return moment.astimezone(LOCAL_ZONE).strftime("%d.%m.%Y %H:%M")


def build_erasure_reply(replies: ReplyBuilder, now: datetime, *, consented: bool) -> ReplyContent:
    """Return the reply about what remains stored, and until when; without a consent there is no proof of one."""
    proof, notes, inbox = (
        format_day(now + timedelta(days=days))
        for days in (replies.county.proof_days, DELIVERY_NOTES_RETENTION_DAYS, INBOX_RETENTION_DAYS)
    )
    proven = "Ihrer Einwilligung und dieser Löschung" if consented else "dieser Löschung"
    return replies.build_text(
        "Ihre Daten sind gelöscht, Sie sind abgemeldet.\n\n"
        f"Ohne Ihre Nummer bleiben: der Nachweis {proven} bis {proof}, "
        f"Einträge zur Abmeldung und zu den Meldungen an Sie bis spätestens {notes}, "
        f"interne Nummern Ihrer Nachrichten ohne Text bis {inbox}. Danach ist auch das gelöscht. "
        "Bei WhatsApp selbst beantragen wir die Löschung Ihres Kontakteintrags.\n\n"
        "Wieder anmelden: Start"
    )


# WhatsApp permits 4,096 characters; the difference is for the text around a part.
MAX_PART_LENGTH = 3_900


def split_into_parts(lines: Iterable[str], max_length: int = MAX_PART_LENGTH) -> tuple[str, ...]:
    """Return the lines in order, in parts as full as possible; a line longer than a part is cut into pieces."""
    parts: list[str] = []
    for line in lines:
        for piece in _split_line(line, max_length):
            extended = f"{parts[-1]}\n{piece}" if parts else piece
            if parts and count_units(extended) <= max_length:
                parts[-1] = extended
            else:
                parts.append(piece)
    return tuple(parts)


def _split_line(line: str, max_length: int) -> Iterator[str]:
    """Yield the line, or if it is too long, pieces of half the maximum, none of which is too long in any unit."""
    if count_units(line) <= max_length:
        yield line
        return
    step = max_length // 2
    yield from (line[start : start + step] for start in range(0, len(line), step))
