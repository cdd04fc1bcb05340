"""Batches, replies and news to work with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from services.dispatcher.domain.answers import Record
from services.dispatcher.domain.content import template_body
from services.dispatcher.domain.states import State
from services.dispatcher.ports import Batch, Claim, StatusNews
from shared.contracts.dispatch import (
    BroadcastBatch,
    Recipient,
    ReplyRequested,
    Template,
    TemplateParameter,
    Withdrawal,
)
from shared.contracts.ids import timed_id
from shared.contracts.message import Address, AddressKind, Lane
from shared.outcome import Outcome

TEMPLATE = Template(name="t", language="de", parameters=(TemplateParameter(name="text", text="Sperrung"),))
PERSON = Address(kind=AddressKind.PHONE, index=b"i" * 16, sealed=b"s" * 40)


class Message:
    """A message in hand that remembers how it was settled."""

    def __init__(self, body: bytes = b"") -> None:
        self.body = body
        self.alive = True
        self.outcomes: list[Outcome] = []

    async def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def new_id() -> UUID:
    return timed_id(datetime.now(UTC), uuid4().bytes)


def subscribers(count: int) -> list[UUID]:
    return [new_id() for _ in range(count)]


def batch_message(
    people: Sequence[UUID], *, broadcast: UUID | None = None, expires_in: float = 3600, lane: Lane = Lane.BULK
) -> BroadcastBatch:
    now = datetime.now(UTC)
    return BroadcastBatch(
        broadcast=broadcast or new_id(),
        notice="n1",
        revision=1,
        topic="strassensperrungen",
        lane=lane,
        template=TEMPLATE,
        published_at=now,
        expires_at=now + timedelta(seconds=expires_in),
        page=0,
        offset=0,
        last=True,
        recipients=tuple(Recipient(subscriber=person, sequence=1, address=PERSON) for person in people),
    )


def in_hand(message: BroadcastBatch) -> Batch:
    return Batch(message, template_body(message.template))


def reply(withdrawal: Withdrawal | None = None, *, expires_in: float = 3600) -> ReplyRequested:
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    return ReplyRequested(
        reply=new_id(), recipient=PERSON, text="Guten Tag", expires_at=expires_at, withdrawal=withdrawal
    )


def result(claim: Claim, state: State, *, seconds: float = 0, attempted: bool = True) -> Record:
    due_at = datetime.now(UTC) + timedelta(seconds=seconds) if state is State.WAITING else None
    waits_for = "rate" if due_at else None
    return Record(claim.delivery, claim.number, state, due_at=due_at, waits_for=waits_for, attempted=attempted)


def news(delivery: UUID, state: State, key: bytes = b"k") -> StatusNews:
    return StatusNews(delivery, state, key)
