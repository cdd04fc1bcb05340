"""Every way in which a system can publish an event, and what it is told there."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import ClientSession

from deploy.local.secret_files import DOOR_TOKEN
from tests.contract.held import held
from tests.e2e.steering.town import Town
from tests.integration.cli.commands import Ended, kreisfunk_here
from tests.integration.door.door import STRUCTURED
from tests.servers import url_with_login, wait_for

LOGIN = "pressestelle"
ANSWERS = ("notice.accepted", "notice.rejected")
Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was said of an event: the fields with a problem; none if it was accepted."""

    fields: frozenset[str] = frozenset()
    everything: str = field(default="", repr=False)

    @property
    def accepted(self) -> bool:
        return not self.fields


def _told(problems: list[dict[str, str]], everything: str) -> Told:
    return Told(fields=frozenset(problem["field"] for problem in problems), everything=everything)


def secret(town: Town, file: str) -> str:
    return (town.stack.folder / "secrets" / file).read_text().strip()


async def over_amqp(town: Town, event: Event, login: str = LOGIN) -> Told:
    """With a client of the broker, as any other system."""
    url = url_with_login(town.stack.broker_url, login, secret(town, f"{login}/kreisfunk_broker_password"))
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        answers = await channel.get_queue("municipal.answers", ensure=False)
        async with answers.iterator(arguments={"x-stream-offset": "next"}, timeout=20) as messages:
            exchange = await channel.get_exchange("municipal.events", ensure=False)
            await exchange.publish(_message(event, login), "notice.published")
            async for message in messages:
                await message.ack()
                if message.routing_key in ANSWERS and _is_about(message, event):
                    return _told(_data(message).get("problems", []), message.body.decode())
    raise AssertionError("no answer")


def _message(event: Event, login: str) -> aio_pika.Message:
    return aio_pika.Message(
        json.dumps(event).encode(),
        content_type=STRUCTURED,
        user_id=login,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _data(message: AbstractIncomingMessage) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(message.body)["data"]
    return data


def _is_about(message: AbstractIncomingMessage, event: Event) -> bool:
    data = _data(message)
    return (data["source"], data["event"]) == (event["source"], event["id"])


def _client(town: Town, headers: Mapping[str, str]) -> ClientSession:
    return ClientSession(town.stack.door_url, headers=headers, trace_configs=[held(town.stack.door_url)])


async def over_http(town: Town, event: Event, path: str = "/notices") -> Told:
    """With a client of HTTP; what was taken is followed until it is accepted or rejected."""
    headers = {"Authorization": f"Bearer {secret(town, DOOR_TOKEN)}"}
    async with _client(town, headers) as client:
        status, body = await _request(client, "POST", path, event)
        assert status in (200, 202, 403, 422), body
        return _told(body["errors"], str(body)) if status > 400 else await _followed(client, body["event"])


async def _request(
    client: ClientSession, method: str, path: str, event: Event | None = None
) -> tuple[int, dict[str, Any]]:
    """Repeat what came too often after as many seconds as `Retry-After` says, as every client has to."""
    media = {} if event is None else {"Content-Type": STRUCTURED}
    while True:
        data = None if event is None else json.dumps(event)
        async with client.request(method, path, data=data, headers=media) as response:
            body = await response.json(content_type=None)
        if response.status != HTTPStatus.TOO_MANY_REQUESTS:
            return response.status, body
        await asyncio.sleep(float(response.headers["Retry-After"]))


async def _followed(client: ClientSession, location: str) -> Told:
    known: dict[str, Any] = {}

    async def answered() -> bool:
        known.update((await _request(client, "GET", location))[1])
        return bool(known["state"] != "received")

    await wait_for(answered)
    return _told(known.get("problems", []), str(known))


async def checked_over_http(town: Town, event: Event) -> Told:
    """Nothing is published, so there is nothing to follow."""
    headers = {"Authorization": f"Bearer {secret(town, DOOR_TOKEN)}"}
    async with _client(town, headers) as client:
        _, body = await _request(client, "POST", "/notices/check", event)
        return _told(body.get("errors", []), str(body))


@dataclass(frozen=True, kw_only=True)
class Command:
    """`kreisfunk publish`, with these words more."""

    words: tuple[str, ...] = ()
    http: bool = False

    async def __call__(self, town: Town, event: Event) -> Told:
        url = ("--url", town.stack.door_url) if self.http else ()
        where = ("--stack", str(town.stack.folder), *url, "--json")
        given = self._given(town, event)
        ended = await kreisfunk_here("publish", *given, *self.words, *where, environment={})
        return self._told(ended)

    def _given(self, town: Town, event: Event) -> tuple[str, ...]:
        file: Path = town.stack.folder / f"{event['id']}.json"
        file.write_text(json.dumps(event))
        return (str(file),)

    def _told(self, ended: Ended) -> Told:
        assert ended.status in (0, 3), ended.everything
        problems = ended.json.get("problems", [])
        assert bool(problems) == (ended.status == 3), ended.everything
        return _told(problems, ended.everything)


class Options(Command):
    """The same from options, which have an id of their own each time."""

    def _given(self, town: Town, event: Event) -> tuple[str, ...]:
        data = {name.replace("_", "-"): value for name, value in event["data"].items()}
        more = {"source": event["source"], "notice": event["subject"], "expires-at": event["expirytime"]}
        return tuple(f"--{name}={value}" for name, value in {**data, **more}.items())
