"""What the dispatcher sends: sealed batches, as the expander publishes them."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from benchmarks.dispatch.message import HEADLINE, TEMPLATE, TEXT, phone
from benchmarks.dispatch.stand import Stand
from shared.contracts.dispatch import BroadcastBatch, Recipient, Template, TemplateParameter
from shared.contracts.envelope import encode
from shared.contracts.ids import timed_id
from shared.contracts.message import Address, AddressKind, Lane
from shared.sealing import IndexKey, KeyRing

RECIPIENTS_IN_A_BATCH = 100


def template(headline: str) -> Template:
    parameters = (TemplateParameter(name="headline", text=headline), TemplateParameter(name="text", text=TEXT))
    return Template(name=TEMPLATE, language="de", parameters=parameters, quick_replies=("stop",))


def sealed_addresses(stand: Stand) -> list[Address]:
    """A batch of addresses; subscribers differ, addresses come again."""
    keys, index_key = KeyRing.parse(stand.sealing_keys), IndexKey.parse(stand.index_key)
    return [_sealed(phone(number), keys, index_key) for number in range(RECIPIENTS_IN_A_BATCH)]


def _sealed(number: str, keys: KeyRing, index_key: IndexKey) -> Address:
    index = index_key.index("phone", number)
    return Address(kind=AddressKind.PHONE, index=index, sealed=keys.seal(number.encode(), purpose="phone", index=index))


def batches(
    addresses: Sequence[Address], *, lane: Lane = Lane.BULK, headline: str = HEADLINE, audience: int = 10_000_000
) -> Iterator[BroadcastBatch]:
    """The pages of one broadcast, made as they are taken."""
    now = datetime.now(UTC)
    broadcast = timed_id(now, uuid4().bytes)
    content = template(headline)
    for offset in range(0, audience, RECIPIENTS_IN_A_BATCH):
        count = min(RECIPIENTS_IN_A_BATCH, audience - offset)
        yield BroadcastBatch(
            broadcast=broadcast,
            notice=f"n-{broadcast}",
            revision=1,
            topic="strassensperrungen",
            lane=lane,
            template=content,
            published_at=now,
            expires_at=now + timedelta(hours=2),
            page=offset // RECIPIENTS_IN_A_BATCH,
            offset=offset,
            last=offset + count >= audience,
            recipients=tuple(
                Recipient(subscriber=UUID(bytes=secrets.token_bytes(16)), sequence=1, address=address)
                for address in addresses[:count]
            ),
        )


def event(batch: BroadcastBatch) -> tuple[str, bytes]:
    """The id and the bytes to publish."""
    identifier = str(uuid4())
    return identifier, encode(batch, event_id=identifier, source="/benchmark", time=datetime.now(UTC))
