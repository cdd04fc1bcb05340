"""Batches, replies and news to work with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.dispatcher.domain.content import build_template_body
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.ports import Batch, Claim, StatusUpdate
from shared.contracts.dispatch import (
    BroadcastBatch,
    Recipient,
    ReplyRequested,
    Template,
    TemplateParameter,
    Withdrawal,
)
from shared.contracts.message import Address, AddressKind, Lane
from shared.database.pool import Database
from tests.factories.ids import generate_id
from tests.servers import wait_for

TEMPLATE = Template(name="t", language="de", parameters=(TemplateParameter(name="text", text="Sperrung"),))
PERSON = Address(kind=AddressKind.PHONE, index=b"i" * 16, sealed=b"s" * 40)


def generate_subscribers(count: int) -> list[UUID]:
    return [generate_id() for _ in range(count)]


def build_batch_message(
    people: Sequence[UUID], *, broadcast: UUID | None = None, expires_in: float = 3600, lane: Lane = Lane.BULK
) -> BroadcastBatch:
    now = datetime.now(UTC)
    return BroadcastBatch(
        broadcast=broadcast or generate_id(),
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


def build_batch(message: BroadcastBatch) -> Batch:
    return Batch(message, build_template_body(message.template))


def build_reply(withdrawal: Withdrawal | None = None, *, expires_in: float = 3600) -> ReplyRequested:
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    return ReplyRequested(
        reply=generate_id(), recipient=PERSON, text="Guten Tag", expires_at=expires_at, withdrawal=withdrawal
    )


async def wait_until_locked(pool: Database, number: int = 1) -> None:
    """Until so many transactions wait for another one."""

    async def one_waits() -> bool:
        query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        return bool(await pool.fetchval(query) >= number)

    await wait_for(one_waits)


def build_record(claim: Claim, state: DeliveryState, *, seconds: float = 0, attempted: bool = True) -> Record:
    due_at = datetime.now(UTC) + timedelta(seconds=seconds) if state is DeliveryState.WAITING else None
    waits_for = "rate" if due_at else None
    return Record(claim.delivery, claim.number, state, due_at=due_at, waits_for=waits_for, attempted=attempted)


def news(delivery: UUID, state: DeliveryState, key: bytes = b"k") -> StatusUpdate:
    return StatusUpdate(delivery, state, key)
