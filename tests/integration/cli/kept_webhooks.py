"""A quarantine with real webhooks in it, and an operator with the login and the keys that are made for that."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from services.ingress.domain import parts
from services.ingress.domain.findings import Problem, ProblemKind
from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.inbound import InboundMessages
from tests.integration.cli.commands import Ended, kreisfunk_here
from tests.integration.ingress.queues import Queues
from tests.servers import wait_for
from tests.unit.ingress.rules import RULES
from tests.unit.ingress.webhooks import NUMBER_ID, messages_body, text_message

SEALING_KEYS = f"1:{base64.b64encode(bytes(range(32))).decode()}"
INDEX_KEY = base64.b64encode(bytes(range(32, 64))).decode()
KEYS = {
    "KREISFUNK_SEALING_KEYS": SEALING_KEYS,
    "KREISFUNK_INDEX_KEY": INDEX_KEY,
    "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
}
NOW = datetime.now(UTC)
RECENTLY = str(int((NOW - timedelta(hours=1)).timestamp()))
PROBLEM = Problem("messages[0]: Object missing required field `timestamp`", ProblemKind.BROKEN_PART)


@dataclass(frozen=True, kw_only=True)
class Ward:
    """The quarantine and what is behind the ingress; `login_url` may do what the login `quarantine` may."""

    channel: AbstractChannel
    queues: Queues
    login_url: str

    @property
    def without_keys(self) -> Mapping[str, str]:
        return {"KREISFUNK_BROKER_URL": self.login_url}

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.without_keys, **KEYS}

    async def keep(self, name: str, body: bytes, *, at: datetime, problems: Sequence[Problem] = (PROBLEM,)) -> None:
        """As the ingress does; `name` is the id of the first part's event, and a number follows it in the next."""
        kept = parts.quarantine(body, problems, msgspec.structs.replace(RULES, received_at=at))
        for number, part in enumerate(kept):
            identifier = f"{name}{number or ''}"
            await self.put(identifier, encode(part, event_id=identifier, source="/kreisfunk/ingress", time=at))

    async def put(self, name: str, event: bytes) -> None:
        mode = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(event, message_id=name, content_type=CONTENT_TYPE, delivery_mode=mode)
        exchange = await self.channel.get_exchange(topology.INBOUND, ensure=False)
        await exchange.publish(message, "quarantined")

    async def reject(self, name: str, event: bytes, reason: str = "topic: unknown") -> None:
        """As subscriptions does with a notice."""
        headers = {"kind": "notice", "reason": reason, "quarantined-at": "2026-11-25T12:00:00+00:00"}
        message = aio_pika.Message(event, message_id=name, headers=dict(headers))
        await self.channel.default_exchange.publish(message, topology.NOTICES_QUARANTINE)

    async def notices(self) -> int:
        declared = await self.channel.declare_queue(topology.SUBSCRIPTIONS_NOTICES.name, passive=True)
        return declared.declaration_result.message_count or 0

    async def size(self) -> int:
        declared = await self.channel.declare_queue(topology.QUARANTINE, passive=True)
        return declared.declaration_result.message_count or 0

    async def has(self, number: int) -> None:
        """Wait until so many are there: what a command looked at comes back when its connection has ended."""

        async def there() -> bool:
            return await self.size() == number

        await wait_for(there)

    async def ids(self) -> list[str]:
        """Taken out, in their order."""
        queue = await self.channel.get_queue(topology.QUARANTINE, ensure=False)
        taken = []
        while incoming := await queue.get(fail=False):
            await incoming.ack()
            taken.append(incoming.message_id or "")
        return taken


@asynccontextmanager
async def first_message(channel: AbstractChannel) -> AsyncIterator[asyncio.Event]:
    """Set once citizens' messages come to the broker."""
    came = asyncio.Event()

    async def heard(_: AbstractIncomingMessage) -> None:
        came.set()

    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(topology.INBOUND, InboundMessages.KEY)
    tag = await queue.consume(heard, no_ack=True)
    yield came
    await queue.cancel(tag)
    await queue.delete(if_unused=False, if_empty=False)


async def quarantine(*arguments: str, environment: Mapping[str, str]) -> Ended:
    return await kreisfunk_here("quarantine", *arguments, environment=environment)


def message(number: int, timestamp: str = RECENTLY) -> bytes:
    return messages_body(text_message(number, timestamp=timestamp))


async def texts(ward: Ward) -> list[str | None]:
    groups = await ward.queues.take(InboundMessages)
    return [it.text for group in groups for it in group.messages]
