"""Publishes what dispatchers work on, as our other services would, and reads their ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from shared.amqp import topology
from shared.amqp.publisher import Publisher, PublishRefused
from shared.contracts.dispatch import BroadcastBatch, Recipient, ReplyRequested, Template, TemplateParameter, Withdrawal
from shared.contracts.envelope import encode
from shared.contracts.message import Address, AddressKind, Lane, Message
from shared.encryption import BlindIndexKey, KeyRing
from tests.factories.ids import generate_id
from tests.servers import WAIT_TIMEOUT_SECONDS, wait_for, wait_until_equal

TEMPLATE = "kreisfunk_strassensperrungen_v1"
_STATES = "select state::text, count(*) from dispatcher.delivery where source = $1 or $1 is null group by state"


@dataclass(frozen=True)
class Citizen:
    """A phone, as a subscriber."""

    phone: str
    subscriber: UUID
    address: Address


@dataclass(kw_only=True)
class DispatchClient:
    """The broker's and the database's side of dispatchers that run."""

    publisher: Publisher
    owner: asyncpg.Connection
    keys: KeyRing
    index_key: BlindIndexKey

    def build_citizen(self, phone: str) -> Citizen:
        """Make a subscriber; the address is encrypted as the ingress does it."""
        index = self.index_key.compute_index("phone", phone)
        encrypted = self.keys.encrypt(phone.encode(), purpose="phone", index=index)
        address = Address(kind=AddressKind.PHONE, index=index, sealed=encrypted)
        return Citizen(phone, generate_id(), address)

    async def send(self, message: Message, exchange: str, key: str) -> None:
        """Publish as one of our services would."""
        event_id = str(uuid4())
        body = encode(message, event_id=event_id, source="/test", time=datetime.now(UTC))
        await self.publisher.publish(exchange, key, body, message_id=event_id, timeout=WAIT_TIMEOUT_SECONDS)

    async def publish_broadcast(
        self,
        citizens: Sequence[Citizen],
        *,
        lane: Lane = Lane.BULK,
        times: int = 1,
        text: str | None = None,
        expires_in: float = 600,
    ) -> UUID:
        """Publish a broadcast in pages, the whole of it `times` times over."""
        pages = list(_build_pages(citizens, lane, text or f"Sperrung {uuid4()}", expires_in))
        for page in pages * times:
            await self._send_when_there_is_room(page, lane)
        return pages[0].broadcast

    async def _send_when_there_is_room(self, page: BroadcastBatch, lane: Lane) -> None:
        async def sent() -> bool:
            try:
                await self.send(page, topology.DISPATCH, lane.value)
            except PublishRefused:
                return False
            return True

        await wait_for(sent)

    async def request_reply(
        self, citizen: Citizen, text: str, withdrawal: Withdrawal | None = None, *, times: int = 1
    ) -> UUID:
        """Ask for a reply, `times` times over; the citizen must have written before."""
        reply = generate_id()
        request = ReplyRequested(
            reply=reply,
            recipient=citizen.address,
            text=text,
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            withdrawal=withdrawal,
        )
        for _ in range(times):
            await self.send(request, topology.DISPATCH, Lane.REPLY.value)
        return reply

    async def count_states(self, source: UUID | None = None) -> dict[str, int]:
        """Return how many deliveries of a source, or of all, are in which state."""
        return dict([tuple(row) for row in await self.owner.fetch(_STATES, source)])

    async def wait_for_states(
        self, expected: Mapping[str, int], source: UUID | None = None, seconds: float = WAIT_TIMEOUT_SECONDS
    ) -> None:
        await wait_until_equal(lambda: self.count_states(source), expected, seconds)

    async def wait_for_value(self, statement: str, *arguments: object, value: object = True) -> None:
        """Wait until the ledger has this value."""
        await wait_until_equal(lambda: self.owner.fetchval(statement, *arguments), value)


def _build_pages(citizens: Sequence[Citizen], lane: Lane, text: str, expires_in: float) -> list[BroadcastBatch]:
    now = datetime.now(UTC)
    broadcast = generate_id()
    recipients = [Recipient(subscriber=one.subscriber, sequence=1, address=one.address) for one in citizens]
    parameters = (TemplateParameter(name="headline", text="Sperrung"), TemplateParameter(name="text", text=text))
    return [
        BroadcastBatch(
            broadcast=broadcast,
            notice=f"n-{broadcast}",
            revision=1,
            topic="strassensperrungen",
            lane=lane,
            template=Template(name=TEMPLATE, language="de", parameters=parameters, quick_replies=("stop",)),
            published_at=now,
            expires_at=now + timedelta(seconds=expires_in),
            page=start // 100,
            offset=start,
            last=start + 100 >= len(recipients),
            recipients=tuple(recipients[start : start + 100]),
        )
        for start in range(0, len(recipients), 100)
    ]
