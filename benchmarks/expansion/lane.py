"""A consumer that records everything on a lane."""

import asyncio
import zlib
from dataclasses import dataclass, field

import aiormq
import msgspec
from aiormq.abc import DeliveredMessage

from shared.amqp.topology import LANES
from shared.contracts.message import Lane


class _Recipient(msgspec.Struct):
    subscriber: str


class _Batch(msgspec.Struct):
    page: int
    recipients: list[_Recipient] = []
    last: bool = False


class _Envelope(msgspec.Struct):
    data: _Batch


_decoder = msgspec.json.Decoder(_Envelope)


@dataclass
class LaneDrain:
    """The bodies taken from a lane; `finished` is set by the last page."""

    bodies: list[bytes] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, message: DeliveredMessage) -> None:
        self.bodies.append(message.body)
        if b'"last":true' in message.body:
            self.finished.set()

    def summarize(self) -> tuple[int, int, int]:
        """Return the numbers of pages, of different recipients, and of pages that were repeated with other bytes."""
        pages: dict[int, int] = {}
        changed = 0
        people: set[str] = set()
        for body in self.bodies:
            batch, checksum = _decoder.decode(body).data, zlib.crc32(body)
            changed += pages.setdefault(batch.page, checksum) != checksum
            people.update(recipient.subscriber for recipient in batch.recipients)
        return len(pages), len(people), changed


async def drain_lane(url: str, lane: Lane, drain: LaneDrain) -> aiormq.abc.AbstractConnection:
    """Take all messages from now on, without acknowledgement, for as long as the connection is open."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.basic_consume(LANES[lane].name, drain.take, no_ack=True)
    return connection
