"""Batches with encrypted addresses, as the expander publishes them, and groups of statuses as the ingress does.

The feeder keeps a lane full, as the expander does: a full lane nacks, and the feeder retries.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from benchmarks.dispatch.harness import DispatchHarness
from benchmarks.dispatch.message import HEADLINE, TEMPLATE, TEXT, build_phone_number
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher, PublishRefused, open_publisher
from shared.contracts.dispatch import BroadcastBatch, Recipient, Template, TemplateParameter
from shared.contracts.envelope import encode
from shared.contracts.ids import make_timed_id
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Address, AddressKind, Lane
from shared.encryption import BlindIndexKey, KeyRing

RETRY_DELAY_SECONDS = 0.02
MAX_BATCH_RECIPIENTS = 100
STATUS_SEQUENCE = ("sent", "delivered", "read")


async def publish(publisher: Publisher, batch: BroadcastBatch) -> None:
    """Publish one batch, and retry until the lane has room."""
    identifier, body = encode_event(batch)
    while True:
        try:
            await publisher.publish(topology.DISPATCH, batch.lane.value, body, message_id=identifier, timeout=10)
        except PublishRefused:
            await asyncio.sleep(RETRY_DELAY_SECONDS)
        else:
            return


async def feed(publisher: Publisher, pages: Iterator[BroadcastBatch]) -> None:
    """Publish all pages in order."""
    for page in pages:
        await publish(publisher, page)


@asynccontextmanager
async def open_feeder(broker_url: str) -> AsyncIterator[Publisher]:
    async with connect(broker_url, password=None, name="feeder") as connection, open_publisher(connection) as publisher:
        yield publisher


@asynccontextmanager
async def feed_in_background(publisher: Publisher, pages: Iterator[BroadcastBatch]) -> AsyncIterator[None]:
    """Feed in the background until the block ends, then purge the lane."""
    task = asyncio.create_task(feed(publisher, pages))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        queue = await publisher.channel.get_queue(topology.LANES[Lane.BULK].name)
        await queue.purge()


def build_template(headline: str) -> Template:
    parameters = (TemplateParameter(name="headline", text=headline), TemplateParameter(name="text", text=TEXT))
    return Template(name=TEMPLATE, language="de", parameters=parameters, quick_replies=("stop",))


def build_addresses(harness: DispatchHarness) -> list[Address]:
    """Return a batch of addresses; subscribers differ, addresses repeat."""
    keys, index_key = KeyRing.parse(harness.encryption_keys), BlindIndexKey.parse(harness.index_key)
    return [_encrypt_address(build_phone_number(number), keys, index_key) for number in range(MAX_BATCH_RECIPIENTS)]


def _encrypt_address(number: str, keys: KeyRing, index_key: BlindIndexKey) -> Address:
    index = index_key.compute_index("phone", number)
    return Address(
        kind=AddressKind.PHONE, index=index, sealed=keys.encrypt(number.encode(), purpose="phone", index=index)
    )


def build_batches(
    addresses: Sequence[Address], *, lane: Lane = Lane.BULK, headline: str = HEADLINE, audience: int = 10_000_000
) -> Iterator[BroadcastBatch]:
    """Yield the pages of one broadcast lazily."""
    now = datetime.now(UTC)
    broadcast = make_timed_id(now, uuid4().bytes)
    content = build_template(headline)
    for offset in range(0, audience, MAX_BATCH_RECIPIENTS):
        count = min(MAX_BATCH_RECIPIENTS, audience - offset)
        yield BroadcastBatch(
            broadcast=broadcast,
            notice=f"n-{broadcast}",
            revision=1,
            topic="strassensperrungen",
            lane=lane,
            template=content,
            published_at=now,
            expires_at=now + timedelta(hours=2),
            page=offset // MAX_BATCH_RECIPIENTS,
            offset=offset,
            last=offset + count >= audience,
            recipients=tuple(
                Recipient(subscriber=UUID(bytes=secrets.token_bytes(16)), sequence=1, address=address)
                for address in addresses[:count]
            ),
        )


def encode_event(batch: BroadcastBatch) -> tuple[str, bytes]:
    """Return the id and the encoded event."""
    identifier = str(uuid4())
    return identifier, encode(batch, event_id=identifier, source="/benchmark", time=datetime.now(UTC))


def build_status(delivery: str, word: str) -> DeliveryStatus:
    """Return a status; a delivery has one message here, so its id can stand for the hash of the wamid."""
    now = datetime.now(UTC)
    return DeliveryStatus(message_key=delivery[-16:].encode(), status=word, at=now, received_at=now, delivery=delivery)


def encode_group(statuses: Sequence[DeliveryStatus]) -> bytes:
    group = DeliveryStatuses(statuses=tuple(statuses))
    return encode(group, event_id=str(uuid4()), source="/benchmark", time=datetime.now(UTC))
