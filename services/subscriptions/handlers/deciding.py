"""From what is known about a sender to everything that one message changes; pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.subscriptions.domain.answers import Answers
from services.subscriptions.domain.consent import Consent, ConsentEvent, consent
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Outcome, Result, Situation, decide
from services.subscriptions.domain.erasure import erasure_of, told
from services.subscriptions.domain.events import answers, changed, ended, started
from services.subscriptions.domain.feedback import AuthorKey, Feedback, feedback_of, person_of, reacted, received
from services.subscriptions.domain.identity import Person, moved, resolve
from services.subscriptions.domain.language.intents import Wish
from services.subscriptions.domain.preferences import Preferred, key_of, prefer
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import Moment, Subscriber
from services.subscriptions.ports import Decided, Known
from shared.contracts.inbound import IdentityChange, InboundMessage, PreferenceChange


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """One message, what it asks for, and what the decision may need; `recent` are broadcasts to react to,
    `topics` those of a rating.
    """

    message: InboundMessage
    wish: Wish
    answers: Answers
    now: datetime
    key: AuthorKey
    recent: tuple[UUID, ...] = ()
    topics: tuple[tuple[UUID, str], ...] = ()


def decide_message(known: Known, hearing: Hearing) -> Decided:
    """All that a message of a citizen changes."""
    message = hearing.message
    person = resolve(known.by_user, known.by_phone, message.sender)
    subscriber, outcome = decide(person.subscriber, hearing.wish, message, _situation(known, hearing))
    if outcome.result in (Result.IGNORED, Result.OUTDATED):
        return Decided(result=outcome.result)
    if outcome.result is Result.ERASED:
        return _erase(known, person, subscriber, outcome, hearing)
    moment, key = Moment.of(message), message.message_key
    who = person_of(person.subscriber, message.sender)
    feedback = feedback_of(outcome.wish, message, who, dict(hearing.topics), hearing.key)
    return Decided(
        result=outcome.result,
        subscribers=_changed(known, person, subscriber),
        consents=(
            *_merged(person, moment, key),
            *_consents(person.subscriber, subscriber, outcome, moment, key),
        ),
        publications=(
            *_farewells(known, person, moment, key),
            *answers(message, person.subscriber, subscriber, outcome),
            *_question(outcome, subscriber, hearing),
            *_opinion(feedback),
        ),
        conversation=outcome.conversation,
        feedback=feedback,
    )


def decide_preference(known: Known, change: PreferenceChange, *, county: County) -> Decided:
    """All that a stop or a resume inside WhatsApp changes."""
    person = resolve(known.by_user, known.by_phone, change.person)
    preferred = prefer(person.subscriber, change, county.marketing_topics)
    if preferred is None:
        return Decided(result=Result.IGNORED)
    moment, key = Moment(change.at, change.at), key_of(change)
    return Decided(
        result=_result_of(preferred),
        subscribers=_changed(known, person, preferred.subscriber),
        consents=(*_merged(person, moment, key), *_preference(preferred, moment, key)),
        publications=(*_farewells(known, person, moment, key), *_preferred(person, preferred, moment, key)),
    )


def decide_move(known: Known, change: IdentityChange) -> Decided:
    """A new number or user id: consent and topics go along; nothing is told, as the subscriber stays the same."""
    former = resolve(known.was_user, known.was_phone, change.before)
    person = moved(former, known.by_user, known.by_phone, change.after)
    if person.subscriber is None:
        return Decided(result=Result.IGNORED)
    moment = Moment(min(change.at, change.received_at), change.received_at)
    entry = consent(person.subscriber, ConsentEvent.MOVED, moment=moment, message_key=change.message_key)
    gone = tuple(row for row in (former.absorbed, person.absorbed) if row)
    absorbed = tuple({row.id: row for row in gone}.values())
    return Decided(
        result=Result.MOVED,
        subscribers=(*absorbed, person.subscriber),
        consents=(*(_merge(row, moment, change.message_key) for row in absorbed), entry),
        publications=tuple(ended(row, moment=moment, message_key=change.message_key) for row in absorbed),
    )


def _situation(known: Known, hearing: Hearing) -> Situation:
    return Situation(
        answers=hearing.answers,
        now=hearing.now,
        conversation=known.conversation,
        history=known.history,
        feedback=known.feedback,
        erased=known.erased,
    )


def _erase(known: Known, person: Person, subscriber: Subscriber | None, outcome: Outcome, hearing: Hearing) -> Decided:
    """A withdrawal as well: what is on its way must not arrive."""
    message = hearing.message
    moment, key = Moment.of(message), message.message_key
    people = tuple(row for row in (subscriber, person.absorbed) if row)
    erased = erasure_of(people, message.sender, moment, hearing.key, history=known.history, former=known.former)
    stored = (row.addresses for row in (person.subscriber, known.by_user, known.by_phone) if row)
    return Decided(
        result=outcome.result,
        consents=tuple(consent(row, ConsentEvent.ERASED, moment=moment, message_key=key) for row in people),
        publications=(
            *(ended(row, moment=moment, message_key=key) for row in people),
            told(erased, (message.sender, *stored), key),
            *answers(message, person.subscriber, subscriber, outcome),
        ),
        erased=erased,
    )


def _question(outcome: Outcome, subscriber: Subscriber | None, hearing: Hearing) -> tuple[Publication, ...]:
    if outcome.result is not Result.REACTED or subscriber is None:
        return ()
    question = reacted(hearing.message, subscriber, hearing.recent)
    return (question,) if question else ()


def _opinion(feedback: Feedback | None) -> tuple[Publication, ...]:
    return (received(feedback),) if feedback else ()


def _changed(known: Known, person: Person, subscriber: Subscriber | None) -> tuple[Subscriber, ...]:
    """The row that is taken over comes first, since it gives up its addresses."""
    stored = known.by_user or known.by_phone
    changed = subscriber if subscriber != stored else None
    return tuple(row for row in (person.absorbed, changed) if row)


def _merged(person: Person, moment: Moment, key: bytes) -> tuple[Consent, ...]:
    return (_merge(person.absorbed, moment, key),) if person.absorbed else ()


def _merge(absorbed: Subscriber, moment: Moment, key: bytes) -> Consent:
    return consent(absorbed, ConsentEvent.MERGED, moment=moment, message_key=key)


def _consents(
    before: Subscriber | None, after: Subscriber | None, outcome: Outcome, moment: Moment, key: bytes
) -> tuple[Consent, ...]:
    """Each change of what somebody gets, with the text that they were answered with."""
    if after is None or (before is not None and after.sequence == before.sequence):
        return ()
    wording = outcome.reply.wording if outcome.reply else None
    entries = _entries(before, after, outcome)
    return tuple(
        consent(after, event, moment=moment, message_key=key, topics=topics, wording=wording)
        for event, topics in entries
    )


def _entries(
    before: Subscriber | None, after: Subscriber, outcome: Outcome
) -> list[tuple[ConsentEvent, frozenset[str]]]:
    had = before.topics if before else frozenset()
    if outcome.result in (Result.STARTED, Result.RENEWED):
        return [(ConsentEvent.GIVEN, after.topics)]
    if not after.subscribed:
        return [(ConsentEvent.WITHDRAWN, had)]
    entries = [(ConsentEvent.WITHDRAWN, had - after.topics), (ConsentEvent.GIVEN, after.topics - had)]
    return [entry for entry in entries if entry[1]] or [(ConsentEvent.CHANGED, after.topics)]


def _farewells(known: Known, person: Person, moment: Moment, key: bytes) -> tuple[Publication, ...]:
    """What is still on its way to the row that was taken over would arrive twice."""
    if person.absorbed is None or not (known.by_phone and known.by_phone.subscribed):
        return ()
    return (ended(person.absorbed, moment=moment, message_key=key),)


def _result_of(preferred: Preferred) -> Result:
    if preferred.left:
        return Result.ENDED
    return Result.CHANGED if preferred.back else Result.IGNORED


def _preference(preferred: Preferred, moment: Moment, key: bytes) -> tuple[Consent, ...]:
    entries = ((ConsentEvent.WITHDRAWN, preferred.left), (ConsentEvent.GIVEN, preferred.back))
    return tuple(
        consent(preferred.subscriber, event, moment=moment, message_key=key, topics=topics)
        for event, topics in entries
        if topics
    )


def _preferred(person: Person, preferred: Preferred, moment: Moment, key: bytes) -> tuple[Publication, ...]:
    after = preferred.subscriber
    if preferred.left:
        topics = sorted(preferred.left) if after.subscribed else [None]
        return tuple(ended(after, moment=moment, message_key=key, topic=topic) for topic in topics)
    if not preferred.back:
        return ()
    tell = changed if person.subscriber and person.subscriber.subscribed else started
    return (tell(after, moment=moment, message_key=key),)
