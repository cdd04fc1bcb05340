"""Decision about one inbound message: its effect on the subscriber, and the reply."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.subscriptions.domain import topic_choice
from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.feedback import Feedback
from services.subscriptions.domain.intents.emergency import is_about_dying
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.rules import has_joining_part
from services.subscriptions.domain.pauses import build_pause_note, calculate_pause_end
from services.subscriptions.domain.privacy import StoredData, build_access_report, build_erasure_reply
from services.subscriptions.domain.questions import find_pending_start, interpret_reply
from services.subscriptions.domain.replies import ReplyBuilder, ReplyContent
from services.subscriptions.domain.reply_quota import NEW_CONVERSATION, Conversation
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, create_subscriber
from shared.contracts.inbound import InboundMessage

# WhatsApp permits replies for 24 hours; the margin is for the delivery to the phone.
REPLY_WINDOW = timedelta(hours=24) - timedelta(minutes=5)


class MessageResult(StrEnum):
    """Result of a message.

    `SHOWN` is an answer with the person's own data. `QUIET` would have been answered, but the reply quota was used up.
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
class Decision:
    """Result of a message; `parsed` is its intent in the light of the question before it."""

    result: MessageResult
    parsed: ParsedIntent
    reply: ReplyContent | None = None
    conversation: Conversation | None = None


@dataclass(frozen=True, kw_only=True)
class DecisionContext:
    """Everything that a decision depends on besides the subscriber and the message.

    `history` is the person's consent record and `feedback` their feedback; both are read only for intents that need
    them. `erased` is when the person last had everything deleted, `trial` the text that a code was for.
    """

    replies: ReplyBuilder
    now: datetime
    conversation: Conversation = NEW_CONVERSATION
    history: tuple[Consent, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    erased: MessageTime | None = None
    trial: str = ""


@dataclass(frozen=True, kw_only=True)
class _Request:
    """One message with its intent and its context."""

    parsed: ParsedIntent
    message: InboundMessage
    context: DecisionContext

    @property
    def moment(self) -> MessageTime:
        return MessageTime.read_from(self.message)

    @property
    def replies(self) -> ReplyBuilder:
        return self.context.replies

    @property
    def now(self) -> datetime:
        return self.context.now


IntentOutcome = tuple[Subscriber | None, MessageResult, ReplyContent | None]
_MERELY_ANSWERED = (MessageResult.HINTED, MessageResult.INFORMED, MessageResult.SHOWN)


def decide(
    subscriber: Subscriber | None, parsed: ParsedIntent, message: InboundMessage, context: DecisionContext
) -> tuple[Subscriber | None, Decision]:
    """Return the subscriber from now on, and the decision. Never raises.

    A message that is older than a newer one already handled changes nothing and is not answered.
    """
    parsed = interpret_reply(parsed, message, context.conversation, context.replies.county)
    request = _Request(parsed=parsed, message=message, context=context)
    if parsed.intent is Intent.NOTHING:
        return subscriber, Decision(result=MessageResult.IGNORED, parsed=parsed)
    if _is_outdated(subscriber, request):
        return subscriber, Decision(result=MessageResult.OUTDATED, parsed=parsed)
    after, result, answer = _INTENT_HANDLERS.get(parsed.intent, _answer_other)(subscriber, request)
    return after, _build_decision(result, answer, request)


def calculate_reply_expiry(message: InboundMessage) -> datetime:
    """Return the time from which a reply can no longer be sent."""
    return MessageTime.read_from(message).at + REPLY_WINDOW


def _build_decision(result: MessageResult, answer: ReplyContent | None, request: _Request) -> Decision:
    """Drop the reply if it is too late or exceeds the reply quota."""
    if answer is None or request.now >= calculate_reply_expiry(request.message):
        return Decision(result=result, parsed=request.parsed)
    conversation = request.context.conversation.record_answer(request.now, urgent=result is MessageResult.EMERGENCY)
    if conversation is None:
        return Decision(result=MessageResult.QUIET if result in _MERELY_ANSWERED else result, parsed=request.parsed)
    if result is MessageResult.HINTED:
        conversation = replace(conversation, hinted_at=request.moment.at)
    conversation = replace(conversation, asked=_find_open_question(result, answer, request))
    return Decision(result=result, parsed=request.parsed, reply=answer, conversation=conversation)


def _find_open_question(result: MessageResult, answer: ReplyContent, request: _Request) -> str:
    """Return the question that is open after this answer.

    A question stays open while others are answered, until it leads to a change or another question is asked.
    """
    closed = request.parsed.intent is Intent.DECLINE or result not in (*_MERELY_ANSWERED, MessageResult.EMERGENCY)
    return answer.asks or ("" if closed else request.context.conversation.asked)


def _is_outdated(subscriber: Subscriber | None, request: _Request) -> bool:
    """Return whether the message is outdated: a stop by a newer start only, a choice by any newer request."""
    moment, erased_at = request.moment, request.context.erased
    if request.parsed.intent is Intent.EMERGENCY:
        return False
    if erased_at is not None and moment < erased_at:
        return True
    if subscriber is None:
        return False
    if request.parsed.intent in (Intent.STOP, Intent.ERASE) and (subscriber.subscribed or subscriber.suspended):
        return subscriber.started is not None and moment < subscriber.started
    newest = subscriber.last_change if request.parsed.intent is Intent.START else subscriber.last_request
    return newest is not None and moment < newest


def _start(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    before = subscriber or create_subscriber(request.message)
    topics = _select_start_topics(before, request)
    after = before.start(request.moment, topics, request.message.sender, request.parsed.places)
    if before.subscribed and (before.topics, before.places) == (after.topics, after.places):
        return after, MessageResult.RENEWED, request.replies.build_already_subscribed(after, request.now)
    return after, MessageResult.STARTED, request.replies.build_receipt(after)


def _select_start_topics(before: Subscriber, request: _Request) -> frozenset[str]:
    """Return all topics unless some are named. A start that ends a pause does not bring back dropped topics."""
    known = request.replies.county.topic_ids
    if request.parsed.topics:
        return request.parsed.topics | before.topics
    return before.topics if before.is_paused(request.now) else known


def _stop(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    before = subscriber or create_subscriber(request.message)
    reply = ReplyContent(request.replies.texts.unsubscribe_confirmation)
    return before.stop(request.moment), MessageResult.ENDED, reply


def _erase(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    before = subscriber or create_subscriber(request.message)
    consented = before.started is not None or bool(request.context.history)
    reply = build_erasure_reply(request.replies, request.now, consented=consented)
    return before.stop(request.moment), MessageResult.ERASED, reply


def _choose(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is None or not subscriber.subscribed:
        return _ask_start(subscriber, request)
    after = topic_choice.apply_choice(subscriber, request.parsed, request.moment)
    return _describe_change(subscriber, after, request)


def _remove_topics(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is None or not subscriber.subscribed:
        others = request.replies.county.topic_ids - request.parsed.topics
        if others and has_joining_part(request.message.text or "", request.replies.county):
            return subscriber, MessageResult.INFORMED, request.replies.ask_start(others)
        return subscriber, MessageResult.INFORMED, ReplyContent(request.replies.texts.not_subscribed)
    after = subscriber.choose(subscriber.topics - request.parsed.topics, subscriber.places, request.moment)
    return _describe_change(subscriber, after, request)


def _describe_change(before: Subscriber, after: Subscriber, request: _Request) -> IntentOutcome:
    if not after.subscribed:
        return after, MessageResult.ENDED, ReplyContent(request.replies.texts.unsubscribe_confirmation)
    result = MessageResult.TOPICS_REMOVED if before.topics - after.topics else MessageResult.CHANGED
    return after, result, request.replies.build_choice(after, request.now)


def _show_places(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if request.parsed.every_place:
        return _choose(subscriber, request)
    if subscriber is None or not subscriber.subscribed:
        return subscriber, MessageResult.INFORMED, request.replies.build_topics_for_stranger()
    return subscriber, MessageResult.INFORMED, request.replies.build_places(subscriber, request.now)


def _pause(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, MessageResult.INFORMED, ReplyContent(request.replies.texts.not_subscribed)
    until = calculate_pause_end(request.parsed, request.now)
    after = subscriber.pause(until, request.moment)
    reply = request.replies.build_pause(until, build_pause_note(request.parsed, request.now))
    return after, MessageResult.CHANGED, reply


def _resume(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, MessageResult.INFORMED, request.replies.ask_start()
    if not subscriber.is_paused(request.now):
        return subscriber, MessageResult.INFORMED, request.replies.build_already_subscribed(subscriber, request.now)
    after = subscriber.pause(None, request.moment)
    return after, MessageResult.CHANGED, request.replies.build_resume(after, request.now)


def _show_topics(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, MessageResult.INFORMED, request.replies.build_topics_for_stranger()
    return subscriber, MessageResult.INFORMED, request.replies.build_topics(subscriber, request.now)


def _ask_start(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is not None and subscriber.subscribed:
        return subscriber, MessageResult.INFORMED, request.replies.build_already_subscribed(subscriber, request.now)
    chosen = find_pending_start(request.context.conversation, request.replies.county, request.message) or request.parsed
    topics, places = request.parsed.topics or chosen.topics, request.parsed.places or chosen.places
    return subscriber, MessageResult.INFORMED, request.replies.ask_start(topics, places)


def _ask_stop(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if subscriber is None or not subscriber.subscribed:
        return _answer_other(subscriber, request)
    return subscriber, MessageResult.INFORMED, request.replies.ask_stop()


def _ask_erase(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    return subscriber, MessageResult.INFORMED, request.replies.ask_erase()


def _decline(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    """Change nothing, whatever the question was."""
    if subscriber is None or not subscriber.subscribed:
        return subscriber, MessageResult.INFORMED, ReplyContent(request.replies.texts.not_subscribed)
    return subscriber, MessageResult.INFORMED, request.replies.build_already_subscribed(subscriber, request.now)


def _ask_both(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    return subscriber, MessageResult.INFORMED, request.replies.ask_both()


def _show_data(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    context = request.context
    stored = StoredData(
        subscriber=subscriber,
        history=context.history,
        feedback=context.feedback,
        conversation=context.conversation,
        erased_at=context.erased.at if context.erased else None,
    )
    report = build_access_report(stored, request.replies, request.now, request.parsed.part)
    return subscriber, MessageResult.SHOWN, report


def _show_help(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    return subscriber, MessageResult.INFORMED, ReplyContent(request.replies.texts.help)


def _show_reason(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    return subscriber, MessageResult.INFORMED, ReplyContent(request.replies.texts.why)


def _answer_emergency(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    texts = request.replies.texts
    dying = is_about_dying(request.message.text or "")
    return subscriber, MessageResult.EMERGENCY, ReplyContent(texts.emergency_dying if dying else texts.emergency)


def _show_trial(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    return subscriber, MessageResult.INFORMED, request.replies.build_trial(request.context.trial)


def _accept_feedback(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if request.parsed.intent is Intent.FEEDBACK and not request.parsed.text:
        return subscriber, MessageResult.INFORMED, request.replies.ask_feedback()
    return subscriber, MessageResult.FEEDBACK, ReplyContent(request.replies.texts.feedback_thanks)


def _accept_reaction(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    """Accept a reaction, to which nobody expects an answer."""
    known = subscriber is not None and subscriber.subscribed and request.message.about_key is not None
    return subscriber, MessageResult.REACTED if known else MessageResult.IGNORED, None


def _answer_other(subscriber: Subscriber | None, request: _Request) -> IntentOutcome:
    if not request.context.conversation.may_hint(request.moment.at):
        return subscriber, MessageResult.QUIET, None
    return subscriber, MessageResult.HINTED, ReplyContent(request.replies.texts.hint)


_INTENT_HANDLERS: dict[Intent, Callable[[Subscriber | None, _Request], IntentOutcome]] = {
    Intent.START: _start,
    Intent.STOP: _stop,
    Intent.ERASE: _erase,
    Intent.ASK_START: _ask_start,
    Intent.ASK_STOP: _ask_stop,
    Intent.ASK_BOTH: _ask_both,
    Intent.ASK_ERASE: _ask_erase,
    Intent.DECLINE: _decline,
    Intent.TOPICS: _show_topics,
    Intent.ONLY: _choose,
    Intent.ADD: _choose,
    Intent.REMOVE: _remove_topics,
    Intent.PLACES: _show_places,
    Intent.PAUSE: _pause,
    Intent.RESUME: _resume,
    Intent.DATA: _show_data,
    Intent.HELP: _show_help,
    Intent.WHY: _show_reason,
    Intent.FEEDBACK: _accept_feedback,
    Intent.RATING: _accept_feedback,
    Intent.REACTION: _accept_reaction,
    Intent.EMERGENCY: _answer_emergency,
    Intent.TRIAL: _show_trial,
}
