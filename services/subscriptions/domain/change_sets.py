"""Change sets: everything that one message changes and publishes, decided from its sender's stored state; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec

from services.subscriptions.domain.consent import Consent, ConsentEvent, build_consent
from services.subscriptions.domain.conversation import Conversation
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import (
    Decision,
    DecisionContext,
    MessageResult,
    calculate_reply_expiry,
    decide,
)
from services.subscriptions.domain.feedback import (
    AuthorKey,
    Feedback,
    build_feedback_erased,
    build_feedback_received,
    build_reaction_query,
)
from services.subscriptions.domain.merging import Person, move_person, resolve_person
from services.subscriptions.domain.privacy import ErasureScope, StoredState, build_erased_event, build_erasure
from services.subscriptions.domain.publication import Destination, Publication, build_event
from services.subscriptions.domain.subscriber import (
    MessageTime,
    Subscriber,
    apply_preference,
    derive_key,
    select_address,
)
from shared.contracts.dispatch import ReplyRequested, Withdrawal
from shared.contracts.events import SubscriptionChanged, SubscriptionEnded, SubscriptionStarted
from shared.contracts.ids import make_timed_id
from shared.contracts.inbound import IdentityChange, InboundMessage, PreferenceChange
from shared.contracts.message import Addresses


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """Changes that one message makes. `subscribers` are saved in this order; `erasure` is deleted completely."""

    result: str
    subscribers: tuple[Subscriber, ...] = ()
    consents: tuple[Consent, ...] = ()
    publications: tuple[Publication, ...] = ()
    conversation: Conversation | None = None
    feedback: Feedback | None = None
    erasure: ErasureScope | None = None


@dataclass(frozen=True, kw_only=True)
class StoredDecision:
    """Decision about a message, made just now or (`duplicate`) when it was handled before."""

    result: str
    publications: tuple[Publication, ...]
    duplicate: bool


def decide_message(state: StoredState, context: DecisionContext) -> ChangeSet:
    """Return everything that a citizen's message changes."""
    context = _follow_move(replace(context, state=state))
    state, message = context.state, context.message
    person = resolve_person(state.by_user, state.by_phone, message.sender)
    decision = decide(person.subscriber, context)
    if decision.result in (MessageResult.IGNORED, MessageResult.OUTDATED):
        return ChangeSet(result=decision.result)
    if decision.result is MessageResult.ERASED:
        return _erase_sender(person, decision, context)
    moment, key = context.moment, message.message_key
    reacting = decision.subscriber if decision.result is MessageResult.REACTED else None
    return ChangeSet(
        result=decision.result,
        subscribers=_collect_changed(state, person, decision.subscriber),
        consents=(
            *_build_merge_entries(person, moment, key),
            *_build_consents(person.subscriber, decision, moment, key),
        ),
        publications=(
            *_end_merged(state, person, moment, key),
            *build_publications(message, person.subscriber, decision),
            *(build_reaction_query(message, reacting, context.recent_broadcasts) if reacting else ()),
            *((build_feedback_received(decision.feedback),) if decision.feedback else ()),
        ),
        conversation=decision.conversation,
        feedback=decision.feedback,
    )


def _follow_move(context: DecisionContext) -> DecisionContext:
    """Return a message of somebody who has moved since as if it came from their present address."""
    subscriber = context.state.moved_subscriber
    if subscriber is None:
        return context
    message = msgspec.structs.replace(context.message, sender=subscriber.addresses)
    return replace(context, message=message, state=replace(context.state, by_phone=subscriber))


def decide_preference(
    state: StoredState, change: PreferenceChange, *, county: County, received_at: datetime
) -> ChangeSet:
    """Return everything that a stop or a resume inside WhatsApp changes.

    If Meta's clock runs ahead, what the person writes later must not become outdated.
    """
    key, change = derive_key(change), msgspec.structs.replace(change, at=min(change.at, received_at))
    person = resolve_person(state.by_user, state.by_phone, change.person)
    before, after = person.subscriber, apply_preference(person.subscriber, change, county)
    if before is None or after is None:
        return ChangeSet(result=MessageResult.IGNORED)
    moment = MessageTime(change.at, change.at)
    withdrawn, restored = before.topics - after.topics, after.topics - before.topics
    result = MessageResult.ENDED if withdrawn else MessageResult.CHANGED if restored else MessageResult.IGNORED
    build_restored = _build_changed if before.subscribed else _build_started
    entries = ((ConsentEvent.WITHDRAWN, withdrawn), (ConsentEvent.GIVEN, restored))
    return ChangeSet(
        result=result,
        subscribers=_collect_changed(state, person, after),
        consents=(
            *_build_merge_entries(person, moment, key),
            *(build_consent(after, event, moment, key, topics) for event, topics in entries if topics),
        ),
        publications=(
            *_end_merged(state, person, moment, key),
            *(_end_topics(after, withdrawn, moment, key) if withdrawn else ()),
            *((build_restored(after, moment, key),) if restored else ()),
        ),
    )


def decide_move(state: StoredState, change: IdentityChange, *, author_key: AuthorKey) -> ChangeSet:
    """Return everything that a new number or user id changes; `state` contains the history of the former addresses.

    Consent and topics move along. Only a merge of rows or an erasure publishes anything.
    """
    former = resolve_person(state.former_by_user, state.former_by_phone, change.before)
    person = move_person(former, state.by_user, state.by_phone, change.after)
    if former.subscriber is None or person.subscriber is None:
        return ChangeSet(result=MessageResult.IGNORED)
    moment = MessageTime(min(change.at, change.received_at), change.received_at)
    last_request = max(moment, former.subscriber.last_request or moment)
    until, rows = state.last_erasure, (state.former_by_user, state.former_by_phone)
    if until and last_request < until:  # erased from the new address: this covers data of the former ones, too
        people = (former.subscriber.stop(until), *former.absorbed)
        scope = build_erasure(people, change.before, until, author_key, state)
        return _erase(scope, people, change.before, rows, state, until, change)
    entry = build_consent(person.subscriber, ConsentEvent.MOVED, moment, change.message_key)
    return ChangeSet(
        result=MessageResult.MOVED,
        subscribers=(*person.absorbed, person.subscriber),
        consents=(*_build_merge_entries(person, moment, change.message_key), entry),
        publications=tuple(_end_merged(state, person, moment, change.message_key)),
    )


def _erase_sender(person: Person, decision: Decision, context: DecisionContext) -> ChangeSet:
    """Erase and confirm.

    Messages that the person wrote later are erased, too: the erasure gets their time, so that nothing older counts.
    """
    message, state, before = context.message, context.state, person.subscriber
    people = tuple(row for row in (decision.subscriber, *person.absorbed) if row)
    until = max(context.moment, (before and before.last_request) or context.moment)
    scope = build_erasure(people, message.sender, until, context.author_key, state)
    rows = (before, state.by_user, state.by_phone)
    changes = _erase(scope, people, message.sender, rows, state, context.moment, message)
    return replace(changes, publications=(*changes.publications, *_build_reply(message, decision)))


def _erase(
    scope: ErasureScope,
    people: Sequence[Subscriber],
    sender: Addresses,
    rows: Sequence[Subscriber | None],
    state: StoredState,
    moment: MessageTime,
    message: InboundMessage | IdentityChange,
) -> ChangeSet:
    """Erase, and withdraw, since deliveries in progress must not arrive.

    The period of all proofs begins now, also of those of rows that were merged earlier.
    """
    key, addresses = message.message_key, (sender, *(row.addresses for row in rows if row))
    merged = {entry.subscriber: entry for entry in state.history if entry.subscriber not in {row.id for row in people}}
    subscribed = {row.id for row in rows if row and row.subscribed}
    at, received_at = moment
    erased = partial(replace, event=ConsentEvent.ERASED, topics=frozenset(), wording=None, message_key=key)
    return ChangeSet(
        result=MessageResult.ERASED,
        consents=(
            *(build_consent(row, ConsentEvent.ERASED, moment, key) for row in people),
            *(erased(entry, said_at=at, received_at=received_at) for entry in merged.values()),
        ),
        publications=(
            *(_build_ended(row, moment, key, was_subscribed=row.id in subscribed) for row in people),
            build_erased_event(scope, addresses, key),
            *build_feedback_erased(state.feedback_ids, moment, key),
        ),
        erasure=scope,
    )


def _collect_changed(state: StoredState, person: Person, subscriber: Subscriber | None) -> tuple[Subscriber, ...]:
    """Return the rows to save: absorbed ones first, since they give up their addresses."""
    changed = subscriber if subscriber not in (state.by_user, state.by_phone) else None
    return tuple(row for row in (*person.absorbed, changed) if row)


def _build_merge_entries(person: Person, moment: MessageTime, key: bytes) -> Iterator[Consent]:
    for row in person.absorbed:
        yield build_consent(row, ConsentEvent.MERGED, moment, key)
    if person.subscriber and person.lost:
        yield build_consent(person.subscriber, ConsentEvent.WITHDRAWN, moment, key, person.lost)


def _build_consents(
    before: Subscriber | None, decision: Decision, moment: MessageTime, key: bytes
) -> Iterator[Consent]:
    """Yield an entry for each change of what the person receives, with the text of the reply."""
    if not (after := _find_changed(before, decision)):
        return
    wording = decision.reply.wording if decision.reply else None
    topics_before = before.topics if before else frozenset()
    if decision.result in (MessageResult.STARTED, MessageResult.RENEWED):
        entries = [(ConsentEvent.GIVEN, after.topics)]
    elif not after.subscribed:
        entries = [(ConsentEvent.WITHDRAWN, topics_before)]
    else:
        withdrawn, given = topics_before - after.topics, after.topics - topics_before
        changes = [(ConsentEvent.WITHDRAWN, withdrawn), (ConsentEvent.GIVEN, given)]
        entries = [(event, topics) for event, topics in changes if topics] or [(ConsentEvent.CHANGED, after.topics)]
    for event, topics in entries:
        yield build_consent(after, event, moment, key, topics, wording)


def _find_changed(before: Subscriber | None, decision: Decision) -> Subscriber | None:
    """Return the subscriber after a decision that is a start, a choice or a stop; None after any other."""
    after = decision.subscriber
    return after if after and (before is None or after.sequence != before.sequence) else None


def _end_merged(state: StoredState, person: Person, moment: MessageTime, key: bytes) -> Iterator[Publication]:
    """End each merged row: deliveries in progress to it would arrive twice, or after a stop of the other row."""
    rows = (state.by_user, state.by_phone, state.former_by_user, state.former_by_phone)
    subscribed = {row.id for row in rows if row and row.subscribed}
    for row in person.absorbed:
        if row.id in subscribed:
            yield _build_ended(row, moment, key)
    if person.subscriber and person.lost:
        yield from _end_topics(person.subscriber, person.lost, moment, key)


def _end_topics(after: Subscriber, topics: frozenset[str], moment: MessageTime, key: bytes) -> Iterator[Publication]:
    for topic in sorted(topics) if after.subscribed else [None]:
        yield _build_ended(after, moment, key, topic)


def build_publications(message: InboundMessage, before: Subscriber | None, decision: Decision) -> Iterator[Publication]:
    """Yield the publications of a decision: a withdrawal precedes its confirmation to the citizen."""
    if after := _find_changed(before, decision):
        yield from _build_change_events(message, before, after, decision.result)
    yield from _build_reply(message, decision)


def _build_change_events(
    message: InboundMessage, before: Subscriber | None, after: Subscriber, result: MessageResult
) -> Iterator[Publication]:
    moment, key = MessageTime.read_from(message), message.message_key
    if not after.subscribed:
        yield _build_ended(after, moment, key, was_subscribed=before is not None and before.subscribed)
        return
    for topic in sorted(before.topics - after.topics) if before else ():
        yield _build_ended(after, moment, key, topic)
    if result is MessageResult.STARTED and not (before and before.subscribed):
        yield _build_started(after, moment, key)
    elif result is not MessageResult.RENEWED:
        yield _build_changed(after, moment, key)


def _build_reply(message: InboundMessage, decision: Decision) -> Iterator[Publication]:
    recipient, subscriber = select_address(message.sender), decision.subscriber
    if decision.reply is None or recipient is None:
        return
    unsubscribes = decision.result in (MessageResult.ENDED, MessageResult.ERASED)
    # A phone whose clock is weeks ahead must not place its reply in a week that has no partition yet.
    identifier = make_timed_id(min(message.sent_at, message.received_at), b"reply", message.message_key)
    withdrawal = Withdrawal(subscriber=subscriber.id, sequence=subscriber.sequence) if subscriber else None
    request = ReplyRequested(
        reply=identifier,
        recipient=recipient,
        text=decision.reply.text,
        expires_at=calculate_reply_expiry(message),
        buttons=decision.reply.buttons,
        menu=decision.reply.menu,
        withdrawal=withdrawal if unsubscribes else None,
    )
    destination = Destination.DISPATCH
    yield build_event(request, identifier=identifier, at=message.received_at, required=True, destination=destination)


def _build_ended(
    subscriber: Subscriber, moment: MessageTime, key: bytes, topic: str | None = None, *, was_subscribed: bool = True
) -> Publication:
    """Return the event of a withdrawal, which the dispatcher must receive."""
    identifier = make_timed_id(moment.at, b"ended", key, subscriber.id.bytes, (topic or "").encode())
    message = SubscriptionEnded(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        at=moment.at,
        topic=topic,
        was_subscribed=was_subscribed,
    )
    return build_event(message, identifier=identifier, at=moment.at, required=True)


def _build_started(subscriber: Subscriber, moment: MessageTime, key: bytes) -> Publication:
    message = SubscriptionStarted(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        topics=tuple(sorted(subscriber.topics)),
        at=moment.at,
    )
    return build_event(message, identifier=make_timed_id(moment.at, b"started", key), at=moment.at)


def _build_changed(subscriber: Subscriber, moment: MessageTime, key: bytes) -> Publication:
    message = SubscriptionChanged(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        topics=tuple(sorted(subscriber.topics)),
        municipalities=tuple(sorted(subscriber.places)),
        paused_until=subscriber.paused_until,
        at=moment.at,
    )
    return build_event(message, identifier=make_timed_id(moment.at, b"changed", key), at=moment.at)
