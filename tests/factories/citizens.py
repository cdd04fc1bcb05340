"""Citizens, messages and a county for tests."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.subscriptions.domain.conversation import NEW_CONVERSATION, Conversation
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Decision, DecisionContext, decide
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.intents.detection import detect_intent
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.privacy import StoredState
from services.subscriptions.domain.replies import ReplyBuilder
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, apply_preference
from services.subscriptions.domain.wording import build_wordings
from shared.contracts.inbound import IdentityChange, InboundMessage, PreferenceChange
from shared.contracts.message import Address, Addresses, AddressKind
from shared.notices.configuration import read_configuration

COUNTY = read_configuration(Path("deploy/config/county.toml"), County)
TEXTS = build_wordings(COUNTY)
ANSWERS = ReplyBuilder(COUNTY)
AUTHOR_KEY = AuthorKey(b"")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def build_message_key(*words: object) -> bytes:
    return hashlib.sha256(repr(words).encode()).digest()[:16]


def build_address(kind: AddressKind, citizen: object) -> Address:
    return Address(
        kind=kind,
        index=build_message_key(kind, citizen),
        sealed=b"sealed " + build_message_key(kind, citizen, "sealed"),
    )


def build_phone(citizen: object) -> Addresses:
    return Addresses(phone=build_address(AddressKind.PHONE, citizen))


def build_user(citizen: object) -> Addresses:
    return Addresses(user=build_address(AddressKind.USER, citizen))


def build_both(citizen: object) -> Addresses:
    return Addresses(phone=build_phone(citizen).phone, user=build_user(citizen).user)


def build_time(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def build_message(
    text: str | None = "Start",
    *,
    sender: Addresses | None = None,
    seconds: float = 0,
    lag: float = 0.3,
    kind: str = "text",
    payload: str | None = None,
    name: object = None,
) -> InboundMessage:
    """Return a message sent `seconds` after noon that arrives `lag` later; equal arguments make equal messages."""
    sender = sender or build_both(1)
    return InboundMessage(
        message_key=build_message_key(text, kind, payload, seconds, lag, name, sender),
        sender=sender,
        sent_at=build_time(seconds),
        received_at=build_time(seconds + lag),
        kind=kind,
        text=text,
        payload=payload,
    )


def build_move(before: Addresses, after: Addresses, *, seconds: float = 60, lag: float = 0) -> IdentityChange:
    """Return a change of number or user id; equal addresses make equal keys."""
    return IdentityChange(
        message_key=build_message_key("system", before, after),
        before=before,
        after=after,
        at=build_time(seconds),
        received_at=build_time(seconds + lag),
    )


def build_preference(
    value: str, *, seconds: float = 5, category: str = "marketing_messages", person: Addresses | None = None
) -> PreferenceChange:
    """Return a stop or a resume inside WhatsApp."""
    return PreferenceChange(person=person or build_both(1), category=category, value=value, at=build_time(seconds))


def build_context(
    *,
    seconds: float = 1,
    hinted_at: datetime | None = None,
    conversation: Conversation = NEW_CONVERSATION,
    erased: MessageTime | None = None,
) -> DecisionContext:
    conversation = replace(conversation, hinted_at=hinted_at) if hinted_at else conversation
    return DecisionContext(
        message=build_message(),
        text=CitizenText(""),
        parsed=ParsedIntent(intent=Intent.NOTHING),
        replies=ANSWERS,
        now=build_time(seconds),
        author_key=AUTHOR_KEY,
        state=StoredState(conversation=conversation, last_erasure=erased),
    )


def parse_message(message: InboundMessage, county: County = COUNTY) -> ParsedIntent:
    return detect_intent(message, CitizenText(message.text or ""), county)


def add_message(context: DecisionContext, message: InboundMessage, county: County = COUNTY) -> DecisionContext:
    """Return the context with this message, with its intent detected."""
    text, parsed = CitizenText(message.text or ""), parse_message(message, county)
    return replace(context, message=message, text=text, parsed=parsed, replies=ReplyBuilder(county))


def understand_message(
    subscriber: Subscriber | None,
    message: InboundMessage,
    context: DecisionContext | None = None,
    county: County = COUNTY,
) -> tuple[Subscriber | None, Decision]:
    """Return the subscriber and the decision after this message."""
    decision = decide(subscriber, add_message(context or build_context(), message, county))
    return decision.subscriber, decision


def converse(
    *texts: str, pause: float = 10, county: County = COUNTY
) -> tuple[Subscriber | None, list[Decision], Conversation]:
    """Process messages so many seconds apart, each after what was asked and answered before."""
    subscriber: Subscriber | None = None
    decisions, conversation = list[Decision](), NEW_CONVERSATION
    for number, text in enumerate(texts):
        message = build_message(text, seconds=number * pause)
        context = build_context(seconds=number * pause + 1, conversation=conversation)
        subscriber, decision = understand_message(subscriber, message, context, county)
        conversation = decision.conversation or conversation
        decisions.append(decision)
    return subscriber, decisions, conversation


def play(*acts: tuple[int, str], sender: Addresses | None = None) -> Subscriber | None:
    """Process what somebody does at these seconds, in this order; "stop" and "resume" happen inside WhatsApp."""
    subscriber: Subscriber | None = None
    for second, act in acts:
        if act in ("stop", "resume"):
            change = build_preference(act, person=sender, seconds=second)
            subscriber = apply_preference(subscriber, change, COUNTY) or subscriber
        else:
            message = build_message(act, sender=sender, seconds=second)
            subscriber, _ = understand_message(subscriber, message, build_context(seconds=100))
    return subscriber


def play_dialogue(*texts: str, subscriber: Subscriber | None = None) -> tuple[Subscriber | None, str]:
    """Process messages ten seconds apart; return the subscriber and the last answer, empty if there was none."""
    answer = ""
    for number, text in enumerate(texts, 1):
        message = build_message(text, seconds=10 * number)
        subscriber, outcome = understand_message(subscriber, message, build_context(seconds=10 * number + 1))
        answer = outcome.reply.text if outcome.reply else ""
    return subscriber, answer


def subscribe(*texts: str) -> Subscriber:
    """Return who says "Start", then this, and is subscribed."""
    subscriber, _ = play_dialogue("Start", *texts)
    assert subscriber is not None
    assert subscriber.subscribed
    return subscriber
