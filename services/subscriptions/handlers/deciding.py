"""From what is known about a sender to everything that one message changes; pure."""

from datetime import datetime

from services.subscriptions.domain.consent import Consent, ConsentEvent, consent
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Outcome, Result, Situation, decide
from services.subscriptions.domain.events import answers, ended
from services.subscriptions.domain.identity import Person, resolve
from services.subscriptions.domain.preferences import Leaving, key_of, leave_marketing
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import Moment, Subscriber
from services.subscriptions.domain.wording import Wordings
from services.subscriptions.ports import Decided, Known
from shared.contracts.inbound import InboundMessage, PreferenceChange

_EVENTS = {
    Result.STARTED: ConsentEvent.GIVEN,
    Result.RENEWED: ConsentEvent.GIVEN,
    Result.ENDED: ConsentEvent.WITHDRAWN,
}


def decide_message(known: Known, message: InboundMessage, *, county: County, texts: Wordings, now: datetime) -> Decided:
    """All that a message of a citizen changes."""
    person = resolve(known.by_user, known.by_phone, message.sender)
    situation = Situation(topics=county.topic_ids, wordings=texts, now=now, hinted_at=known.hinted_at)
    subscriber, outcome = decide(person.subscriber, message, situation)
    if outcome.result in (Result.IGNORED, Result.OUTDATED):
        return Decided(result=outcome.result)
    moment, key = Moment.of(message), message.message_key
    return Decided(
        result=outcome.result,
        subscribers=_changed(known, person, subscriber),
        consents=(
            *_merged(person, moment, key),
            *_consents(person.subscriber, subscriber, outcome, moment, key),
        ),
        publications=(*_farewells(known, person, moment, key), *answers(message, subscriber, outcome)),
        hinted_at=moment.at if outcome.result is Result.HINTED else None,
    )


def decide_preference(known: Known, change: PreferenceChange, *, county: County) -> Decided:
    """All that a stop inside WhatsApp changes."""
    person = resolve(known.by_user, known.by_phone, change.person)
    leaving = leave_marketing(person.subscriber, change, county.marketing_topics)
    if leaving is None:
        return Decided(result=Result.IGNORED)
    moment, key = Moment(change.at, change.at), key_of(change)
    entry = consent(leaving.subscriber, ConsentEvent.WITHDRAWN, moment=moment, message_key=key, topics=leaving.topics)
    return Decided(
        result=Result.ENDED,
        subscribers=_changed(known, person, leaving.subscriber),
        consents=(*_merged(person, moment, key), entry),
        publications=(*_farewells(known, person, moment, key), *_left(leaving, moment, key)),
    )


def _changed(known: Known, person: Person, subscriber: Subscriber | None) -> tuple[Subscriber, ...]:
    """The row that is taken over comes first, since it gives up its addresses."""
    stored = known.by_user or known.by_phone
    changed = subscriber if subscriber != stored else None
    return tuple(row for row in (person.absorbed, changed) if row)


def _merged(person: Person, moment: Moment, key: bytes) -> tuple[Consent, ...]:
    if person.absorbed is None:
        return ()
    return (consent(person.absorbed, ConsentEvent.MERGED, moment=moment, message_key=key),)


def _consents(
    before: Subscriber | None, after: Subscriber | None, outcome: Outcome, moment: Moment, key: bytes
) -> tuple[Consent, ...]:
    happened = _EVENTS.get(outcome.result)
    if happened is None or after is None:
        return ()
    topics = after.topics if after.subscribed or before is None else before.topics
    return (consent(after, happened, moment=moment, message_key=key, topics=topics, wording=outcome.reply),)


def _farewells(known: Known, person: Person, moment: Moment, key: bytes) -> tuple[Publication, ...]:
    """What is still on its way to the row that was taken over would arrive twice."""
    if person.absorbed is None or not (known.by_phone and known.by_phone.subscribed):
        return ()
    return (ended(person.absorbed, moment=moment, message_key=key),)


def _left(leaving: Leaving, moment: Moment, key: bytes) -> tuple[Publication, ...]:
    topics = sorted(leaving.topics) if leaving.subscriber.subscribed else [None]
    return tuple(ended(leaving.subscriber, moment=moment, message_key=key, topic=topic) for topic in topics)
