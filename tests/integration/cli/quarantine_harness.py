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

from services.ingress.webhook import quarantine
from services.ingress.webhook.events import ParseProblem, ProblemKind
from services.subscriptions.domain.notice_events import EventIdentity
from services.subscriptions.domain.notice_events import build_quarantine as build_rejected
from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import Problem
from shared.contracts.inbound import InboundMessages
from tests.factories.webhook_rules import RULES
from tests.factories.webhooks import NUMBER_ID, build_messages_body, build_text_message
from tests.harness.commands import CommandResult, run_in_process
from tests.harness.ingress_queues import IngressQueues
from tests.servers import wait_until_equal

ENCRYPTION_KEYS = f"1:{base64.b64encode(bytes(range(32))).decode()}"
INDEX_KEY = base64.b64encode(bytes(range(32, 64))).decode()
KEYS = {
    "KREISFUNK_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
    "KREISFUNK_INDEX_KEY": INDEX_KEY,
    "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
}
NOW = datetime.now(UTC)
RECENTLY = str(int((NOW - timedelta(hours=1)).timestamp()))
PROBLEM = ParseProblem("messages[0]: Object missing required field `timestamp`", ProblemKind.BROKEN_PART)


@dataclass(frozen=True, kw_only=True)
class QuarantineHarness:
    """The quarantine and what is behind the ingress; `login_url` may do what the login `quarantine` may."""

    channel: AbstractChannel
    queues: IngressQueues
    login_url: str

    @property
    def without_keys(self) -> Mapping[str, str]:
        return {"KREISFUNK_BROKER_URL": self.login_url}

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.without_keys, **KEYS}

    async def put_webhook(
        self, name: str, body: bytes, *, at: datetime, problems: Sequence[ParseProblem] = (PROBLEM,)
    ) -> None:
        """As the ingress does; `name` is the id of the first part's event, and a number follows it in the next."""
        parts = quarantine.build_quarantine(body, problems, msgspec.structs.replace(RULES, received_at=at))
        for number, part in enumerate(parts):
            identifier = f"{name}{number or ''}"
            await self.put_event(identifier, encode(part, event_id=identifier, source="/kreisfunk/ingress", time=at))

    async def put_event(self, name: str, event: bytes) -> None:
        mode = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(event, message_id=name, content_type=CONTENT_TYPE, delivery_mode=mode)
        exchange = await self.channel.get_exchange(topology.INBOUND, ensure=False)
        await exchange.publish(message, "quarantined")

    async def put_rejected(self, name: str | None, event: bytes, problem: str = "unknown") -> None:
        """As subscriptions does with a notice."""
        identity = EventIdentity(source="/bauamt", event="e", notice="n", system="bauamt")
        rejected = build_rejected((Problem(field="topic", problem=problem),), identity, NOW)
        headers = {**rejected.headers, "reason": rejected.reason}
        message = aio_pika.Message(event, message_id=name, headers=dict(headers))
        await self.channel.default_exchange.publish(message, topology.NOTICES_QUARANTINE)

    async def wait_for_items(self, number: int, queue: str = topology.QUARANTINE) -> None:
        """Wait until so many are there: what a command looked at comes back when its connection has ended."""

        async def count() -> int:
            declared = await self.channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0

        await wait_until_equal(count, number)

    async def take_ids(self) -> list[str]:
        """Taken out, in their order."""
        queue = await self.channel.get_queue(topology.QUARANTINE, ensure=False)
        taken = []
        while incoming := await queue.get(fail=False):
            await incoming.ack()
            taken.append(incoming.message_id or "")
        return taken


@asynccontextmanager
async def watch_first_message(channel: AbstractChannel) -> AsyncIterator[asyncio.Event]:
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


async def run_quarantine(*arguments: str, environment: Mapping[str, str]) -> CommandResult:
    return await run_in_process("quarantine", *arguments, environment=environment)


def build_text_webhook(number: int) -> bytes:
    return build_messages_body(build_text_message(number, timestamp=RECENTLY))


async def take_texts(ward: QuarantineHarness) -> list[str | None]:
    groups = await ward.queues.take(InboundMessages)
    return [it.text for group in groups for it in group.messages]
