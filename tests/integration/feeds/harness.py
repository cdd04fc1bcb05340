"""Runs `kreisfunk feeds` and reads what it publishes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractRobustConnection

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.message import Message
from tests.factories.feeds import build_rss
from tests.harness.commands import CommandResult, run_in_process
from tests.harness.website import FakeWebsite, build_text_answer

HEAD = """
system = "feeds"
source = "/landkreis-osterholz/internetseite"
internal_hosts = ["127.0.0.1"]
"""
FEED = """
[[feeds]]
name = "presse"
url = "{url}/presse"
topic = "veranstaltungen"
"""
DIRECT_OPTIONS = 'mode = "direct"\nfirst_poll = "publish"\n'


@dataclass
class FeedsHarness:
    """`options` are the feed's settings in the file; `environment` is that of the login `feeds`."""

    folder: Path
    website: FakeWebsite
    environment: Mapping[str, str]
    connection: AbstractRobustConnection
    options: str = DIRECT_OPTIONS
    origins: str = FEED
    arrived: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.website.url

    def show(self, *items: str) -> None:
        """Put these items in the feed."""
        self.website.pages["/presse"] = build_text_answer(build_rss(items))

    @property
    def arguments(self) -> tuple[str, ...]:
        file = self.folder / "feeds.toml"
        file.write_text(HEAD + self.origins.format(url=self.url) + self.options)
        return ("--file", str(file), "--folder", str(self.folder / "state"))

    async def run_feeds(
        self, command: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        known = environment or self.environment
        return await run_in_process("feeds", command, *self.arguments, *arguments, environment=known)

    async def poll_once(self, *arguments: str, environment: Mapping[str, str] | None = None) -> CommandResult:
        """Poll once; nobody answers unless a test does."""
        return await self.run_feeds("once", "--wait", "0", *arguments, environment=environment)

    async def list_published(self) -> list[dict[str, Any]]:
        """Return all messages so far, in order, with the login verified by the broker."""
        channel = await self.connection.channel()
        queue = await channel.get_queue(topology.SUBSCRIPTIONS_NOTICES.name, ensure=False)
        while message := await queue.get(fail=False):
            self.arrived.append({**json.loads(message.body), "login": message.user_id, "property": message.message_id})
            await message.ack()
        await channel.close()
        return self.arrived

    async def list_headlines(self) -> list[str]:
        return [event["data"]["headline"] for event in await self.list_published()]

    async def answer(self, *messages: Message) -> None:
        """Publish these events of Kreisfunk."""
        channel = await self.connection.channel()
        exchange = await channel.get_exchange(topology.EVENTS, ensure=False)
        for message in messages:
            body = encode(message, event_id=uuid4().hex, source="/kreisfunk/subscriptions", time=datetime.now(UTC))
            said = aio_pika.Message(
                body, content_type=CONTENT_TYPE, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id=uuid4().hex
            )
            await exchange.publish(said, message.KEY)
        await channel.close()

    async def delete_answers(self) -> None:
        """Empty the stream: entries have the same ids in each test, so that earlier answers would be theirs too."""
        channel = await self.connection.channel()
        await channel.queue_delete(topology.ANSWERS)
        (answers,) = (stream for stream in topology.STREAMS if stream.name == topology.ANSWERS)
        await topology.declare_stream(channel, answers)
        await channel.close()

    def list_stored(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.folder / "state" / kind).glob("*.json"))]
