"""Change sets: everything that one message changes and publishes, decided on the stored state of its sender; pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

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
    build_feedback,
    build_feedback_erased,
    build_feedback_received,
    build_reaction_query,
    identify_person,
)
from services.subscriptions.domain.merging import Person, move_person, resolve_person
from services.subscriptions.domain.privacy import ErasureScope, StoredState, build_erased_event, build_erasure
from services.subscriptions.domain.publication import Publication, build_dispatch_message
from services.subscriptions.domain.subscriber import (
    MessageTime,
    PreferenceResult,
    Subscriber,
    apply_preference,
    derive_key,
    select_address,
)
from services.subscriptions.domain.subscription_events import build_changed, build_ended, build_started
from shared.contracts.dispatch import ReplyRequested, Withdrawal
from shared.contracts.ids import make_timed_id
from shared.contracts.inbound import IdentityChange, InboundMessage, PreferenceChange
from shared.contracts.message import Addresses


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """Changes that one message makes. `subscribers` are saved in this order; `erased` is deleted completely."""

    result: str
    subscribers: tuple[Subscriber, ...] = ()
    consents: tuple[Consent, ...] = ()
    publications: tuple[Publication, ...] = ()
    conversation: Conversation | None = None
    feedback: Feedback | None = None
    erased: ErasureScope | None = None


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
    who = identify_person(person.subscriber, message.sender)
    feedback = build_feedback(decision.parsed, message, who, dict(context.rated_topics), context.author_key)
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
            *_build_reaction_query(decision, context),
            *((build_feedback_received(feedback),) if feedback else ()),
        ),
        conversation=decision.conversation,
        feedback=feedback,
    )


def _follow_move(context: DecisionContext) -> DecisionContext:
    """Return the message of somebody who has moved since they wrote it as if it came from where they are now."""
    moved = context.state.moved
    if moved is None:
        return context
    message = msgspec.structs.replace(context.message, sender=moved.addresses)
    return replace(context, message=message, state=replace(context.state, by_phone=moved))


def decide_preference(state: StoredState, change: PreferenceChange, *, county: County) -> ChangeSet:
    """Return everything that a stop or a resume inside WhatsApp changes."""
    person = resolve_person(state.by_user, state.by_phone, change.person)
    preferred = apply_preference(person.subscriber, change, county)
    if preferred is None:
        return ChangeSet(result=MessageResult.IGNORED)
    moment, key = MessageTime(change.at, change.at), derive_key(change)
    return ChangeSet(
        result=_classify_preference(preferred),
        subscribers=_collect_changed(state, person, preferred.subscriber),
        consents=(
            *_build_merge_entries(person, moment, key),
            *_build_preference_consents(preferred, moment, key),
        ),
        publications=(
            *_end_merged(state, person, moment, key),
            *_build_preference_events(person, preferred, moment, key),
        ),
    )


def decide_move(state: StoredState, change: IdentityChange, *, author_key: AuthorKey) -> ChangeSet:
    """Return everything that a new number or user id changes; `state` has the history of the former addresses.

    Consent and topics move along. Nothing is published about a subscriber who stays the same.
    """
    former = resolve_person(state.former_by_user, state.former_by_phone, change.before)
    person = move_person(former, state.by_user, state.by_phone, change.after)
    if former.subscriber is None or person.subscriber is None:
        return ChangeSet(result=MessageResult.IGNORED)
    moment = MessageTime(min(change.at, change.received_at), change.received_at)
    said = max(moment, former.subscriber.last_request or moment)
    if state.erased and said < state.erased:
        people = (former.subscriber.stop(state.erased), *former.absorbed)
        return _erase_former(people, state.erased, state, change, author_key)
    entry = build_consent(person.subscriber, ConsentEvent.MOVED, moment=moment, message_key=change.message_key)
    return ChangeSet(
        result=MessageResult.MOVED,
        subscribers=(*person.absorbed, person.subscriber),
        consents=(*_build_merge_entries(person, moment, change.message_key), entry),
        publications=tuple(_end_merged(state, person, moment, change.message_key)),
    )


def _erase_sender(person: Person, decision: Decision, context: DecisionContext) -> ChangeSet:
    """Erase and confirm.

    What the person said later is erased, too: the erasure takes its time, so that nothing older counts any more.
    """
    message, state = context.message, context.state
    people = tuple(row for row in (decision.subscriber, *person.absorbed) if row)
    newest = person.subscriber.last_request if person.subscriber else None
    erased = build_erasure(
        people,
        message.sender,
        max(context.moment, newest or context.moment),
        context.author_key,
        history=state.history,
        former=state.former,
    )
    stored = (row.addresses for row in (person.subscriber, state.by_user, state.by_phone) if row)
    known, key = (message.sender, *stored), message.message_key
    changes = _build_erasure_changes(people, erased, state, known, moment=context.moment, key=key)
    return replace(changes, publications=(*changes.publications, *_build_reply(message, decision)))


def _erase_former(
    people: tuple[Subscriber, ...],
    moment: MessageTime,
    state: StoredState,
    change: IdentityChange,
    author_key: AuthorKey,
) -> ChangeSet:
    """Erase what is left at the former addresses of a person who had everything deleted from the new ones since."""
    erased = build_erasure(people, change.before, moment, author_key, history=state.history, former=state.former)
    stored = (row.addresses for row in (state.former_by_user, state.former_by_phone) if row)
    known, key = (change.before, *stored), change.message_key
    return _build_erasure_changes(people, erased, state, known, moment=moment, key=key)


def _build_erasure_changes(
    people: tuple[Subscriber, ...],
    erased: ErasureScope,
    state: StoredState,
    known: Iterable[Addresses],
    *,
    moment: MessageTime,
    key: bytes,
) -> ChangeSet:
    """Erase and withdraw, since what is on its way must not arrive."""
    return ChangeSet(
        result=MessageResult.ERASED,
        consents=tuple(build_consent(row, ConsentEvent.ERASED, moment=moment, message_key=key) for row in people),
        publications=(
            *(build_ended(row, moment=moment, message_key=key) for row in people),
            build_erased_event(erased, known, key),
            *build_feedback_erased(state.all_feedback, moment, key),
        ),
        erased=erased,
    )


def _build_reaction_query(decision: Decision, context: DecisionContext) -> tuple[Publication, ...]:
    if decision.result is not MessageResult.REACTED or decision.subscriber is None:
        return ()
    question = build_reaction_query(context.message, decision.subscriber, context.recent_broadcasts)
    return (question,) if question else ()


def _collect_changed(state: StoredState, person: Person, subscriber: Subscriber | None) -> tuple[Subscriber, ...]:
    """Return the rows to save: the one that is merged comes first, since it gives up its addresses."""
    changed = subscriber if subscriber not in (state.by_user, state.by_phone) else None
    return tuple(row for row in (*person.absorbed, changed) if row)


def _build_merge_entries(person: Person, moment: MessageTime, key: bytes) -> Iterator[Consent]:
    for row in person.absorbed:
        yield build_consent(row, ConsentEvent.MERGED, moment=moment, message_key=key)
    if (kept := person.subscriber) and person.lost:
        yield build_consent(kept, ConsentEvent.WITHDRAWN, moment=moment, message_key=key, topics=person.lost)


def _build_consents(
    before: Subscriber | None, decision: Decision, moment: MessageTime, key: bytes
) -> tuple[Consent, ...]:
    """Return an entry for each change of what the person receives, with the text of the reply."""
    after = decision.subscriber
    if after is None or (before is not None and after.sequence == before.sequence):
        return ()
    wording = decision.reply.wording if decision.reply else None
    entries = _list_consent_changes(before, after, decision)
    return tuple(
        build_consent(after, event, moment=moment, message_key=key, topics=topics, wording=wording)
        for event, topics in entries
    )


def _list_consent_changes(
    before: Subscriber | None, after: Subscriber, decision: Decision
) -> list[tuple[ConsentEvent, frozenset[str]]]:
    had = before.topics if before else frozenset()
    if decision.result in (MessageResult.STARTED, MessageResult.RENEWED):
        return [(ConsentEvent.GIVEN, after.topics)]
    if not after.subscribed:
        return [(ConsentEvent.WITHDRAWN, had)]
    entries = [(ConsentEvent.WITHDRAWN, had - after.topics), (ConsentEvent.GIVEN, after.topics - had)]
    return [entry for entry in entries if entry[1]] or [(ConsentEvent.CHANGED, after.topics)]


def _end_merged(state: StoredState, person: Person, moment: MessageTime, key: bytes) -> Iterator[Publication]:
    """End each merged row: what is still on its way to it would arrive twice, or after a stop of the other row."""
    stored = (state.by_user, state.by_phone, state.former_by_user, state.former_by_phone)
    subscribed = {row.id for row in stored if row and row.subscribed}
    for row in person.absorbed:
        if row.id in subscribed:
            yield build_ended(row, moment=moment, message_key=key)
    if person.subscriber and person.lost:
        yield from _end_topics(person.subscriber, person.lost, moment, key)


def _end_topics(after: Subscriber, topics: frozenset[str], moment: MessageTime, key: bytes) -> Iterator[Publication]:
    for topic in sorted(topics) if after.subscribed else [None]:
        yield build_ended(after, moment=moment, message_key=key, topic=topic)


def _classify_preference(preferred: PreferenceResult) -> MessageResult:
    if preferred.withdrawn:
        return MessageResult.ENDED
    return MessageResult.CHANGED if preferred.restored else MessageResult.IGNORED


def _build_preference_consents(preferred: PreferenceResult, moment: MessageTime, key: bytes) -> tuple[Consent, ...]:
    entries = ((ConsentEvent.WITHDRAWN, preferred.withdrawn), (ConsentEvent.GIVEN, preferred.restored))
    return tuple(
        build_consent(preferred.subscriber, event, moment=moment, message_key=key, topics=topics)
        for event, topics in entries
        if topics
    )


def _build_preference_events(
    person: Person, preferred: PreferenceResult, moment: MessageTime, key: bytes
) -> tuple[Publication, ...]:
    after = preferred.subscriber
    if preferred.withdrawn:
        return tuple(_end_topics(after, preferred.withdrawn, moment, key))
    if not preferred.restored:
        return ()
    tell = build_changed if person.subscriber and person.subscriber.subscribed else build_started
    return (tell(after, moment=moment, message_key=key),)


def build_publications(
    message: InboundMessage, before: Subscriber | None, decision: Decision
) -> tuple[Publication, ...]:
    """Return the publications of a decision: a withdrawal goes out before its confirmation to the citizen."""
    after = decision.subscriber
    new = after is not None and (before is None or after.sequence != before.sequence)
    told = _build_change_events(message, before, after, decision) if after and new else ()
    return (*told, *_build_reply(message, decision))


def _build_change_events(
    message: InboundMessage, before: Subscriber | None, after: Subscriber, decision: Decision
) -> Iterable[Publication]:
    moment, key = MessageTime.read_from(message), message.message_key
    if not after.subscribed:
        yield build_ended(after, moment=moment, message_key=key)
        return
    for topic in sorted(before.topics - after.topics) if before else ():
        yield build_ended(after, moment=moment, message_key=key, topic=topic)
    if decision.result is MessageResult.STARTED:
        yield build_started(after, moment=moment, message_key=key)
    elif decision.result is not MessageResult.RENEWED:
        yield build_changed(after, moment=moment, message_key=key)


def _build_reply(message: InboundMessage, decision: Decision) -> Iterable[Publication]:
    recipient = select_address(message.sender)
    if decision.reply is None or recipient is None:
        return ()
    # A phone whose clock is weeks ahead must not put its reply into a week that has no partition yet.
    reply = make_timed_id(min(message.sent_at, message.received_at), b"reply", message.message_key)
    request = ReplyRequested(
        reply=reply,
        recipient=recipient,
        text=decision.reply.text,
        expires_at=calculate_reply_expiry(message),
        buttons=decision.reply.buttons,
        menu=decision.reply.menu,
        withdrawal=_build_withdrawal(decision),
    )
    return (build_dispatch_message(request, key=request.KEY, identifier=reply, at=message.received_at),)


def _build_withdrawal(decision: Decision) -> Withdrawal | None:
    subscriber = decision.subscriber
    if subscriber is None or decision.result not in (MessageResult.ENDED, MessageResult.ERASED):
        return None
    return Withdrawal(subscriber=subscriber.id, sequence=subscriber.sequence)
