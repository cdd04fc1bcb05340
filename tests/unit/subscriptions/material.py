"""Citizens, messages and a county for tests."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.subscriptions.domain.answers import Answers
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Outcome, Situation, decide
from services.subscriptions.domain.guard import Conversation
from services.subscriptions.domain.language.understanding import understand
from services.subscriptions.domain.subscriber import Subscriber
from services.subscriptions.domain.wording import wordings
from shared.contracts.inbound import InboundMessage
from shared.contracts.message import Address, Addresses, AddressKind
from shared.municipal.file import read_configuration

COUNTY = read_configuration(Path("deploy/config/county.toml"), County)
TEXTS = wordings(COUNTY)
ANSWERS = Answers(COUNTY)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def key(*words: object) -> bytes:
    return hashlib.sha256(repr(words).encode()).digest()[:16]


def address(kind: AddressKind, citizen: object) -> Address:
    return Address(kind=kind, index=key(kind, citizen), sealed=b"sealed " + key(kind, citizen, "sealed"))


def phone(citizen: object) -> Addresses:
    return Addresses(phone=address(AddressKind.PHONE, citizen))


def user(citizen: object) -> Addresses:
    return Addresses(user=address(AddressKind.USER, citizen))


def both(citizen: object) -> Addresses:
    return Addresses(phone=phone(citizen).phone, user=user(citizen).user)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def message(
    text: str | None = "Start",
    *,
    sender: Addresses | None = None,
    seconds: float = 0,
    lag: float = 0.3,
    kind: str = "text",
    payload: str | None = None,
    name: object = None,
) -> InboundMessage:
    """A message sent `seconds` after noon that arrived `lag` later; equal arguments make equal messages."""
    sender = sender or both(1)
    return InboundMessage(
        message_key=key(text, kind, payload, seconds, lag, name, sender),
        sender=sender,
        sent_at=at(seconds),
        received_at=at(seconds + lag),
        kind=kind,
        text=text,
        payload=payload,
    )


def situation(*, seconds: float = 1, hinted_at: datetime | None = None) -> Situation:
    return Situation(answers=ANSWERS, now=at(seconds), conversation=Conversation(hinted_at=hinted_at))


def hear(
    subscriber: Subscriber | None, said: InboundMessage, where: Situation | None = None
) -> tuple[Subscriber | None, Outcome]:
    """What becomes of somebody who says this, understood as it would be."""
    return decide(subscriber, understand(said, COUNTY), said, where or situation())


def talk(*texts: str, subscriber: Subscriber | None = None) -> tuple[Subscriber | None, str]:
    """Messages ten seconds apart; the person afterwards and the last answer, empty if there was none."""
    answer = ""
    for number, text in enumerate(texts, 1):
        said = message(text, seconds=10 * number)
        subscriber, outcome = hear(subscriber, said, situation(seconds=10 * number + 1))
        answer = outcome.reply.text if outcome.reply else ""
    return subscriber, answer
