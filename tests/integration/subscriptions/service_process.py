"""The service as a process, between real queues and a real database."""

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child
from deploy.paths import ROOT
from shared.amqp import topology
from shared.amqp.permissions import MUNICIPAL
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import CONTENT_TYPE, decode
from shared.contracts.inbound import InboundMessage, InboundMessages
from shared.contracts.message import Lane, Message
from shared.contracts.notices import NoticePublished
from shared.runtime.hosts import get_login
from tests.factories.citizens import build_both, build_message, build_message_key
from tests.harness.processes import ServiceProcess, build_service_command, run_child
from tests.harness.service_login import open_login, service_login
from tests.integration.subscriptions.harness import encode_group
from tests.integration.subscriptions.notice_factory import NOTICE, build_cloud_event
from tests.servers import Servers, fetch_until, wait_for

COUNTY_FILE = ROOT / "deploy" / "config" / "county.toml"
WORLD = "test.world"
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, kw_only=True)
class BrokerHarness:
    """A vhost with the whole topology. `municipal_login` is a system in `county_file`."""

    channel: AbstractChannel
    municipal_channel: AbstractChannel
    service_url: str
    service_login: str
    municipal_url: str = field(repr=False)
    municipal_login: str
    county_file: Path

    async def publish(self, exchange: str, key: str, body: bytes) -> None:
        target = await self.channel.get_exchange(exchange)
        mode = aio_pika.DeliveryMode.PERSISTENT
        message_id = secrets.token_hex(8)
        message = aio_pika.Message(body, message_id=message_id, content_type=CONTENT_TYPE, delivery_mode=mode)
        await target.publish(message, key)

    async def publish_notice(self, body: bytes, key: str = "notice.published", **properties: Any) -> None:
        """Publish as the municipal system: with a login of its own, verified by the broker."""
        target = await self.municipal_channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        usual: dict[str, Any] = {
            "user_id": self.municipal_login,
            "message_id": "n",
            "content_type": CONTENT_TYPE,
            "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
        }
        await target.publish(aio_pika.Message(body, **(usual | properties)), key)

    async def say(self, *messages: InboundMessage) -> None:
        await self.publish(topology.INBOUND, InboundMessages.KEY, encode_group(messages))

    async def take(self, queue: str) -> AbstractIncomingMessage | None:
        source = await self.channel.get_queue(queue, ensure=False)
        incoming = await source.get(fail=False)
        if incoming:
            await incoming.ack()
        return incoming

    async def wait_for_message(self, queue: str) -> AbstractIncomingMessage:
        """Return the next message of a queue."""
        incoming = await fetch_until(partial(self.take, queue), bool)
        assert incoming is not None
        return incoming

    async def read_reply(self) -> ReplyRequested:
        reply = decode((await self.wait_for_message(topology.LANES[Lane.REPLY].name)).body)
        assert isinstance(reply, ReplyRequested)
        return reply

    async def wait_for_event(self, kind: type[M], event_id: str | None = None) -> M:
        """Return the next event of a kind, or the one about this event id."""

        async def find() -> list[M]:
            events = await self.list_events(kind)
            return [each for each in events if event_id in (None, getattr(each, "event", None))]

        return (await fetch_until(find, bool))[0]

    async def list_events(self, kind: type[M]) -> list[M]:
        """Return published events of this kind; drop all others."""
        messages: list[M] = []
        while incoming := await self.take(WORLD):
            message = decode(incoming.body)
            messages += [message] if isinstance(message, kind) else []
        return messages

    async def count_messages(self, queue: str) -> int:
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def wait_for_count(self, queue: str, count: int) -> None:
        async def has_count() -> bool:
            return await self.count_messages(queue) == count

        await wait_for(has_count)


def build_current_message(text: str, citizen: object = 1) -> InboundMessage:
    """A message of just now."""
    said = datetime.now(UTC)
    return msgspec.structs.replace(
        build_message(text, sender=build_both(citizen)),
        message_key=build_message_key(text, said),
        sent_at=said,
        received_at=said,
    )


def build_current_notice(event_id: str, *, subject: str | None = None, **changes: object) -> bytes:
    """A notice that has not expired."""
    expiry = datetime.now(UTC) + timedelta(hours=3)
    kind, subject = NoticePublished.TYPE, subject or event_id
    return build_cloud_event(kind, NOTICE | changes, event_id=event_id, subject=subject, expirytime=expiry)


@asynccontextmanager
async def open_broker_harness(servers: Servers, vhost: str, folder: Path) -> AsyncIterator[BrokerHarness]:
    async with (
        service_login(servers, vhost, "subscriptions") as service_url,
        open_login(servers, vhost, "municipal", MUNICIPAL) as municipal_url,
        await aio_pika.connect(vhost) as connection,
        await aio_pika.connect(municipal_url) as municipal_connection,
    ):
        municipal = get_login(municipal_url)
        county_file = folder / "county.toml"
        county_file.write_text(COUNTY_FILE.read_text().replace('name = "pressestelle"', f'name = "{municipal}"'))
        channel = await connection.channel()
        world = await channel.declare_queue(WORLD, exclusive=True)
        await world.bind(topology.EVENTS, "#")
        yield BrokerHarness(
            channel=channel,
            municipal_channel=await municipal_connection.channel(),
            service_url=service_url,
            service_login=get_login(service_url),
            municipal_url=municipal_url,
            municipal_login=municipal,
            county_file=county_file,
        )


def build_environment(broker: BrokerHarness, database_url: str, internal_port: int) -> Mapping[str, str]:
    return {
        "KREISFUNK_BROKER_URL": broker.service_url,
        "KREISFUNK_DATABASE_URL": database_url,
        "KREISFUNK_FEEDBACK_KEY": b64encode(bytes(32)).decode(),
        "KREISFUNK_DEAD_LETTER_KEYS": f"1:{b64encode(bytes(32)).decode()}",
        "KREISFUNK_COUNTY_FILE": str(broker.county_file),
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
    }


@asynccontextmanager
async def run_service(broker: BrokerHarness, database_url: str, log: Path) -> AsyncIterator[ServiceProcess]:
    """Start it and wait until it is ready."""
    with reserve_ports(1) as (port,):
        command = build_service_command("subscriptions", log, build_environment(broker, database_url, port))
        service = ServiceProcess(child=Child(command), internal_url=f"http://{LOOPBACK}:{port}")
        async with run_child(service.child, service.is_ready):
            yield service
