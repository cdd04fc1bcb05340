"""Runs `kreisfunk feeds` and reads what it publishes."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractRobustConnection

from deploy.paths import CONFIG, ROOT
from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.notices_http import event_path
from tests.factories.feeds import SOURCE, build_rss
from tests.harness.commands import CommandResult, run_in_process
from tests.harness.notices_api import NoticesApi
from tests.harness.notices_county import text_of
from tests.harness.notices_proxy import NoticesProxy
from tests.harness.website import FakeWebsite, build_text_answer
from tests.servers import wait_for

# Entries have the same ids in each test: each has a source of its own, so that an earlier one's answers are not its.
SOURCES = tuple(f"{SOURCE}/{number}" for number in range(200))
UNUSED_SOURCES = iter(SOURCES)
NOWHERE = "http://127.0.0.1:1"
HEAD = """
system = "feeds"
source = "{source}"
internal_hosts = ["127.0.0.1"]
"""
FEED = """
[[feeds]]
name = "presse"
url = "{url}/presse"
topic = "veranstaltungen"
"""
DIRECT_OPTIONS = 'mode = "direct"\nfirst_poll = "publish"\n'


def write_feeds_county(folder: Path) -> Path:
    """Write a county in which the feeds have SOURCES."""
    file = folder / "feeds-county.toml"
    file.write_text((CONFIG / "county.toml").read_text().replace(json.dumps([SOURCE]), json.dumps(SOURCES)))
    return file


@dataclass
class FeedsHarness:
    """`options` are the feed's settings in the file; `offline` is the environment of commands that publish nothing."""

    folder: Path
    website: FakeWebsite
    api: NoticesApi
    proxy: NoticesProxy
    connection: AbstractRobustConnection
    options: str = DIRECT_OPTIONS
    origins: str = FEED
    arrived: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.website.url
        self.source = next(UNUSED_SOURCES)
        name = "KREISFUNK_COUNTY_FILE"
        self.offline = {name: self.api.child.command.environment[name]}
        self.environment = self.build_environment(self.proxy.url)

    def build_environment(self, url: str, token: str = text_of("feeds")) -> Mapping[str, str]:
        return {**self.offline, "KREISFUNK_NOTICES_API_URL": url, "KREISFUNK_NOTICES_API_TOKEN": token}

    def show(self, *items: str) -> None:
        """Put these items in the feed."""
        self.website.pages["/presse"] = build_text_answer(build_rss(items))

    @property
    def arguments(self) -> tuple[str, ...]:
        file = self.folder / "feeds.toml"
        file.write_text(HEAD.format(source=self.source) + self.origins.format(url=self.url) + self.options)
        return ("--file", str(file), "--folder", str(self.folder / "state"))

    async def run_feeds(
        self, command: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        known = environment or self.environment
        return await run_in_process("feeds", command, *arguments, *self.arguments, environment=known)

    async def poll_once(self, *arguments: str, environment: Mapping[str, str] | None = None) -> CommandResult:
        """Poll once; nobody answers unless a test does."""
        return await self.run_feeds("once", "--wait", "0", *arguments, environment=environment)

    async def start_service(self) -> asyncio.subprocess.Process:
        _, file, _, folder = self.arguments
        own = {"KREISFUNK_INTERNAL_PORT": "0", "KREISFUNK_FEEDS_FILE": file, "KREISFUNK_FEEDS_FOLDER": folder}
        environment = {"PATH": os.environ["PATH"], **own, **self.environment}
        program = (sys.executable, "-m", "services.feeds")
        return await asyncio.create_subprocess_exec(*program, cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE)

    async def list_published(self) -> list[dict[str, Any]]:
        """Return all notices so far, in order, as the notices API has stored them."""
        channel = await self.connection.channel()
        queue = await channel.get_queue(topology.SUBSCRIPTIONS_API_NOTICES.name, ensure=False)
        while message := await queue.get(fail=False):
            self.arrived.append(json.loads(message.body))
            await message.ack()
        await channel.close()
        return self.arrived

    async def wait_for_published(self, count: int) -> None:
        async def are_there() -> bool:
            return len(await self.list_published()) == count

        await wait_for(are_there)

    async def list_headlines(self) -> list[str]:
        return [event["data"]["headline"] for event in await self.list_published()]

    async def answer(self, *messages: NoticeAccepted | NoticeRejected) -> None:
        """Publish these answers of Kreisfunk, and wait until the notices API has those about our events."""
        channel = await self.connection.channel()
        exchange = await channel.get_exchange(topology.EVENTS, ensure=False)
        for message in messages:
            body = encode(message, event_id=uuid4().hex, source="/kreisfunk/subscriptions", time=datetime.now(UTC))
            said = aio_pika.Message(
                body, content_type=CONTENT_TYPE, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id=uuid4().hex
            )
            await exchange.publish(said, message.KEY)
        await channel.close()
        published = {event["id"] for event in self.arrived}
        for message in messages:
            is_ours = isinstance(message, NoticeAccepted) or message.is_for("feeds")
            if is_ours and message.source == self.source and message.event in published:
                await wait_for(partial(self.is_answered, event_path(message.source, message.event)))

    async def is_answered(self, path: str) -> bool:
        return bool((await self.api.ask("GET", path, token="feeds")).body.get("state") != "received")

    def list_files(self, kind: str) -> list[Path]:
        return sorted((self.folder / "state" / kind).glob("*.json"))

    def list_stored(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.list_files(kind)]
