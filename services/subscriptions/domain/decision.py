"""Decision about one inbound message: its effect on the subscriber, and the reply."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.subscriptions.domain.conversation import (
    FEEDBACK,
    PLACES,
    Conversation,
    find_pending_start,
    interpret_reply,
)
from services.subscriptions.domain.feedback import AuthorKey, Feedback, build_feedback, identify_person
from services.subscriptions.domain.intents.emergency import EmergencySigns
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.rules import has_joining_part
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.order import is_older_than_start, is_outdated
from services.subscriptions.domain.pauses import calculate_pause
from services.subscriptions.domain.privacy import NOTHING_STORED, StoredState, build_access_report, build_erasure_reply
from services.subscriptions.domain.replies import ReplyBuilder, ReplyContent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, create_subscriber
from shared.contracts.inbound import InboundMessage

# WhatsApp permits replies for 24 hours; the margin is for the delivery to the phone.
REPLY_WINDOW = timedelta(hours=24) - timedelta(minutes=5)


class MessageResult(StrEnum):
    """Result of a message.

    `SHOWN` is an answer with the person's own data. `QUIET` got no answer, as the reply quota was used up.
    """

    STARTED = "started"
    RENEWED = "renewed"
    CHANGED = "changed"
    TOPICS_REMOVED = "topics_removed"
    ENDED = "ended"
    ERASED = "erased"
    INFORMED = "informed"
    SHOWN = "shown"
    FEEDBACK = "feedback"
    REACTED = "reacted"
    MOVED = "moved"
    EMERGENCY = "emergency"
    HINTED = "hinted"
    QUIET = "quiet"
    IGNORED = "ignored"
    OUTDATED = "outdated"


@dataclass(frozen=True, kw_only=True)
class DecisionContext:
    """Message with its intent, and everything else that the decision about it depends on.

    `state` is the sender's stored state. A reaction may be about any of the `recent_broadcasts`; `rated_topic` is the
    topic of the rated broadcast.
    """

    message: InboundMessage
    text: CitizenText
    parsed: ParsedIntent
    replies: ReplyBuilder
    now: datetime
    author_key: AuthorKey
    state: StoredState = NOTHING_STORED
    recent_broadcasts: tuple[UUID, ...] = ()
    rated_topic: str | None = None

    @property
    def moment(self) -> MessageTime:
        return MessageTime.read_from(self.message)


@dataclass(frozen=True)
class Decision:
    """Result of a message, and the sender's state after it."""

    result: MessageResult
    subscriber: Subscriber | None
    reply: ReplyContent | None = None
    conversation: Conversation | None = None
    feedback: Feedback | None = None


_ANSWERED_ELSE = (MessageResult.INFORMED, MessageResult.SHOWN)
_ANSWER_ONLY = (MessageResult.HINTED, *_ANSWERED_ELSE)


def decide(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Return the effect of a message of this sender. Never raises.

    A message over which a newer one prevails that was handled before it changes nothing and is not answered.
    """
    county, state = context.replies.county, context.state
    parsed = interpret_reply(context.parsed, context.message, context.text, state.conversation, county)
    if parsed.intent is Intent.NOTHING:
        return Decision(MessageResult.IGNORED, subscriber)
    context = replace(context, parsed=parsed)
    if is_outdated(parsed, context.moment, subscriber, state.last_erasure, county):
        return Decision(MessageResult.OUTDATED, subscriber)
    if subscriber and subscriber.subscribed and (handle := _SUBSCRIBER_HANDLERS.get(parsed.intent)):
        return _limit_reply(handle(subscriber, context), context)
    return _limit_reply(_HANDLERS.get(parsed.intent, _answer_other)(subscriber, context), context)


def calculate_reply_expiry(message: InboundMessage) -> datetime:
    """Return the time from which a reply can no longer be sent."""
    return MessageTime.read_from(message).at + REPLY_WINDOW


def _limit_reply(decision: Decision, context: DecisionContext) -> Decision:
    """Drop the reply if it is too late or exceeds the reply quota.

    A question stays open across other answers, until it leads to a change or another question is asked; one that any
    text answers, only until something else is answered.
    """
    result, reply = decision.result, decision.reply
    if reply is None or context.now >= calculate_reply_expiry(context.message):
        return replace(decision, reply=None)
    conversation = context.state.conversation.record_answer(context.now, urgent=result is MessageResult.EMERGENCY)
    if conversation is None:
        return replace(decision, result=MessageResult.QUIET if result in _ANSWER_ONLY else result, reply=None)
    if result is MessageResult.HINTED:
        conversation = replace(conversation, hinted_at=context.moment.at)
    is_closed = context.parsed.intent in (Intent.DECLINE, Intent.RESUME) or result not in (
        *_ANSWER_ONLY,
        MessageResult.EMERGENCY,
    )
    is_closed |= result in _ANSWERED_ELSE and conversation.open_question in (PLACES, FEEDBACK)
    is_closed |= context.state.conversation.is_too_late(context.now)  # it is stored no longer than needed
    if is_closed or reply.question:
        conversation = conversation.ask(reply.question, context.now)
    return replace(decision, reply=reply.fit(), conversation=conversation)


def _start(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    before = subscriber or create_subscriber(context.message)
    topics, places = _select_start_topics(before, context), context.parsed.places
    adds = before.subscribed and bool(context.parsed.topics)
    after = before.start(context.moment, topics, context.message.sender, places, adds=adds)
    if before.subscribed and (before.topics, before.places) == (after.topics, after.places):
        reply = context.replies.build_already_subscribed(after, context.now)
        return Decision(MessageResult.RENEWED, after, reply)
    return Decision(MessageResult.STARTED, after, context.replies.build_receipt(after))


def _select_start_topics(before: Subscriber, context: DecisionContext) -> frozenset[str]:
    """Return all topics unless some are named. A start that ends a pause does not bring back dropped topics."""
    existing = context.replies.county.topic_ids
    return context.parsed.topics or (
        before.topics if before.is_paused(context.now) and before.topics & existing else existing
    )


def _stop(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Stop; if a newer start named some topics, drop the others only."""
    before, moment = subscriber or create_subscriber(context.message), context.moment
    topics, after = before.topics | before.suspended, before.stop(moment)
    if is_older_than_start(before, moment):
        if before.subscribed:
            return _describe_change(before, before.drop(topics, context.replies.county.topic_ids, moment), context)
        after = replace(after, suspended=before.suspended - before.list_open(topics, moment))
    return Decision(MessageResult.ENDED, after, ReplyContent(context.replies.texts.unsubscribe_confirmation))


def _erase(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Erase; if a newer start named some topics, drop the others only, as the consent to those is still needed."""
    if subscriber and is_older_than_start(subscriber, context.moment):
        return _stop(subscriber, context)
    before = subscriber or create_subscriber(context.message)
    has_consented = before.started_at is not None or bool(context.state.history)
    reply = build_erasure_reply(context.replies, context.now, consented=has_consented)
    return Decision(MessageResult.ERASED, before.stop(context.moment), reply)


def _choose(subscriber: Subscriber, context: DecisionContext) -> Decision:
    """Replace the topics or places that the message names; leave the others unchanged."""
    places = frozenset[str]() if context.parsed.every_place else context.parsed.places or None
    return _change(subscriber, Subscriber.choose, places, context)


def _add(subscriber: Subscriber, context: DecisionContext) -> Decision:
    """Add topics or places; whoever gets messages for all municipalities loses none by naming one."""
    parsed = context.parsed
    is_everywhere = not subscriber.places and bool(subscriber.topics & context.replies.county.local_topics)
    if is_everywhere and not parsed.topics:
        return _answer(subscriber, context.replies.build_places(subscriber, context.now))
    places = None if is_everywhere or not parsed.places else subscriber.places | parsed.places
    return _change(subscriber, Subscriber.add, places, context)


def _change(
    subscriber: Subscriber,
    change_topics: Callable[..., Subscriber],
    places: frozenset[str] | None,
    context: DecisionContext,
) -> Decision:
    """Change places, unless None, and the topics that the message names; both together count as one change."""
    after = subscriber if places is None else subscriber.place(places, context.moment)
    if topics := context.parsed.topics:
        before = replace(after, sequence=subscriber.sequence)
        after = change_topics(before, topics, context.replies.county.topic_ids, context.moment)
    return _describe_change(subscriber, after, context)


def _remove_topics(subscriber: Subscriber, context: DecisionContext) -> Decision:
    return _change(subscriber, Subscriber.drop, None, context)


def _describe_change(before: Subscriber, after: Subscriber, context: DecisionContext) -> Decision:
    if not after.subscribed:
        return Decision(MessageResult.ENDED, after, ReplyContent(context.replies.texts.unsubscribe_confirmation))
    result = MessageResult.TOPICS_REMOVED if before.topics - after.topics else MessageResult.CHANGED
    return Decision(result, after, context.replies.build_choice(after, context.now))


def _show_places(subscriber: Subscriber, context: DecisionContext) -> Decision:
    if context.parsed.every_place:
        return _choose(subscriber, context)
    return _answer(subscriber, context.replies.build_places(subscriber, context.now))


def _pause(subscriber: Subscriber, context: DecisionContext) -> Decision:
    until, note = calculate_pause(context.parsed, context.moment.at)
    reply = context.replies.build_pause(until, note)
    return Decision(MessageResult.CHANGED, subscriber.pause(until, context.moment), reply)


def _resume(subscriber: Subscriber, context: DecisionContext) -> Decision:
    if not subscriber.is_paused(context.now):
        after = replace(subscriber, paused_at=context.moment)  # an older pause may still arrive
        return _confirm_subscription(after, context)
    after = subscriber.pause(None, context.moment)
    return Decision(MessageResult.CHANGED, after, context.replies.build_resume(after, context.now))


def _confirm_subscription(subscriber: Subscriber, context: DecisionContext) -> Decision:
    return _answer(subscriber, context.replies.build_already_subscribed(subscriber, context.now))


def _ask_start(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Ask whether to subscribe to what the message names, else to what was chosen before."""
    parsed, county = context.parsed, context.replies.county
    pending = find_pending_start(context.state.conversation, county, context.message) or parsed
    topics, places = parsed.topics or pending.topics, parsed.places or pending.places
    return _answer(subscriber, context.replies.ask_start(topics, places))


def _ask_about_others(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Offer the other topics to somebody who wants to subscribe without some; WhatsApp no longer restores these."""
    if subscriber:
        subscriber = subscriber.refuse(context.parsed.topics, context.moment)
    others = context.replies.county.topic_ids - context.parsed.topics
    if others and has_joining_part(context.text, context.replies.county):
        return _answer(subscriber, context.replies.ask_start(others))
    return _decline_request(subscriber, context)


def _decline_request(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Decline what only a subscriber can ask for."""
    return _answer(subscriber, ReplyContent(context.replies.texts.not_subscribed))


def _list_topics(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    if context.parsed.every_place:
        return _ask_start(subscriber, context)
    return _answer(subscriber, context.replies.build_topics_for_stranger())


def _show_data(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    report = build_access_report(subscriber, context.state, context.replies, context.now, context.parsed.part)
    return Decision(MessageResult.SHOWN, subscriber, report)


def _answer_emergency(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    texts = context.replies.texts
    is_about_dying = EmergencySigns(context.text, context.text).is_about_dying
    reply = ReplyContent(texts.emergency_dying if is_about_dying else texts.emergency)
    return Decision(MessageResult.EMERGENCY, subscriber, reply)


def _accept_feedback(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    parsed, message = context.parsed, context.message
    if parsed.intent is Intent.FEEDBACK and not parsed.text:
        return _answer(subscriber, context.replies.ask_feedback())
    person = identify_person(subscriber, message.sender)
    feedback = build_feedback(parsed, message, person, context.rated_topic, context.author_key)
    thanks = ReplyContent(context.replies.texts.feedback_thanks)
    return Decision(MessageResult.FEEDBACK, subscriber, thanks, feedback=feedback)


def _accept_reaction(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    """Accept a reaction, which needs no answer."""
    is_accepted = subscriber is not None and subscriber.subscribed and context.message.about_key is not None
    return Decision(MessageResult.REACTED if is_accepted else MessageResult.IGNORED, subscriber)


def _answer_other(subscriber: Subscriber | None, context: DecisionContext) -> Decision:
    if not context.state.conversation.may_hint(context.moment.at):
        return Decision(MessageResult.QUIET, subscriber)
    return Decision(MessageResult.HINTED, subscriber, ReplyContent(context.replies.texts.hint))


def _answer(subscriber: Subscriber | None, reply: ReplyContent) -> Decision:
    return Decision(MessageResult.INFORMED, subscriber, reply)


_SUBSCRIBER_HANDLERS: dict[Intent, Callable[[Subscriber, DecisionContext], Decision]] = {
    Intent.ASK_START: _confirm_subscription,
    Intent.ASK_STOP: lambda person, context: _answer(person, context.replies.ask_stop()),
    Intent.DECLINE: _confirm_subscription,
    Intent.TOPICS: lambda person, context: _answer(person, context.replies.build_topics(person, context.now)),
    Intent.ONLY: _choose,
    Intent.ADD: _add,
    Intent.REMOVE: _remove_topics,
    Intent.PLACES: _show_places,
    Intent.PAUSE: _pause,
    Intent.RESUME: _resume,
}
# For people who are not subscribed, and for all others where `_SUBSCRIBER_HANDLERS` has no entry.
_HANDLERS: dict[Intent, Callable[[Subscriber | None, DecisionContext], Decision]] = {
    Intent.START: _start,
    Intent.STOP: _stop,
    Intent.ERASE: _erase,
    Intent.ASK_START: _ask_start,
    Intent.ASK_BOTH: lambda person, context: _answer(person, context.replies.ask_both()),
    Intent.ASK_ERASE: lambda person, context: _answer(person, context.replies.ask_erase()),
    Intent.DECLINE: _decline_request,
    Intent.TOPICS: _list_topics,
    Intent.ONLY: _ask_start,
    Intent.ADD: _ask_start,
    Intent.REMOVE: _ask_about_others,
    Intent.PLACES: _list_topics,
    Intent.PAUSE: _decline_request,
    Intent.RESUME: lambda person, context: _answer(person, context.replies.ask_start()),
    Intent.DATA: _show_data,
    Intent.HELP: lambda person, context: _answer(person, ReplyContent(context.replies.texts.help)),
    Intent.WHY: lambda person, context: _answer(person, ReplyContent(context.replies.texts.why)),
    Intent.FEEDBACK: _accept_feedback,
    Intent.RATING: _accept_feedback,
    Intent.REACTION: _accept_reaction,
    Intent.EMERGENCY: _answer_emergency,
    Intent.TRIAL: lambda person, context: _answer(person, context.replies.build_trial(context.state.trial_text)),
}
