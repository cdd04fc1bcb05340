"""Every way in which a system can publish an event, and what it is told there."""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import ClientSession

from deploy.secrets import NOTICES_API_TOKEN
from shared.contracts.events import NoticeAccepted, NoticeChecked, NoticeRejected
from shared.contracts.notices import NoticeCheck, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.runtime.hosts import get_login
from tests.contract_recorder.openapi_session import trace_contract
from tests.e2e.notices.harness import SteeringHarness
from tests.harness.commands import run_in_process
from tests.harness.notices_api import STRUCTURED
from tests.harness.notices_api import event as build_event
from tests.servers import build_login_url, fetch_until

LOGIN = "pressestelle"
NOTICES = (NoticePublished, NoticeUpdated, NoticeWithdrawn)
ANSWERS = (NoticeAccepted.KEY, NoticeRejected.KEY)
Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PublishOutcome:
    """Answer to an event: the fields with a problem; none if it was accepted."""

    fields: frozenset[str] = frozenset()
    everything: str = field(default="", repr=False)

    @property
    def accepted(self) -> bool:
        return not self.fields


def _build_outcome(problems: list[dict[str, str]], everything: str) -> PublishOutcome:
    return PublishOutcome(fields=frozenset(problem["field"] for problem in problems), everything=everything)


def read_secret(system: SteeringHarness, file: str) -> str:
    return (system.stack.folder / "secrets" / file).read_text().strip()


async def publish_over_amqp(system: SteeringHarness, event: Event, url: str = "") -> PublishOutcome:
    """With a client of the broker, as any other system; `url` is that of another login."""
    key = next(kind.KEY for kind in NOTICES if event["type"] == kind.TYPE)
    return await _exchange_over_amqp(url or _build_url(system), event, key, ANSWERS)


async def check_over_amqp(system: SteeringHarness, event: Event) -> PublishOutcome:
    """The event in a request to check it."""
    request = build_event(type=NoticeCheck.TYPE, data={"event": event})
    return await _exchange_over_amqp(_build_url(system), request, NoticeCheck.KEY, (NoticeChecked.KEY,))


def _build_url(system: SteeringHarness) -> str:
    return build_login_url(system.stack.broker_url, LOGIN, read_secret(system, f"{LOGIN}/kreisfunk_broker_password"))


async def _exchange_over_amqp(url: str, event: Event, key: str, answer_keys: Collection[str]) -> PublishOutcome:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        answers = await channel.get_queue("municipal.answers", ensure=False)
        async with answers.iterator(arguments={"x-stream-offset": "next"}, timeout=20) as messages:
            exchange = await channel.get_exchange("municipal.events", ensure=False)
            await exchange.publish(_build_message(event, get_login(url)), key)
            async for message in messages:
                await message.ack()
                if message.routing_key in answer_keys and _is_about(message, event):
                    return _build_outcome(_read_data(message).get("problems", []), message.body.decode())
    raise AssertionError("no answer")


def _build_message(event: Event, login: str) -> aio_pika.Message:
    return aio_pika.Message(
        json.dumps(event).encode(),
        content_type=STRUCTURED,
        user_id=login,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _read_data(message: AbstractIncomingMessage) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(message.body)["data"]
    return data


def _is_about(message: AbstractIncomingMessage, event: Event) -> bool:
    data = _read_data(message)
    return (data["source"], data["event"]) == (event["source"], event["id"])


async def publish_over_http(system: SteeringHarness, event: Event, path: str = "/notices") -> PublishOutcome:
    """With a client of HTTP; what was taken is followed until it is accepted or rejected."""
    url, token = system.stack.notices_api_url, read_secret(system, NOTICES_API_TOKEN)
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(url, headers=headers, trace_configs=[trace_contract(url)]) as client:
        status, body = await _request(client, "POST", path, event)
        assert status in (200, 202, 403, 422), body
        if status == HTTPStatus.ACCEPTED:
            return await _follow(client, body["event"])
        return _build_outcome(body.get("errors", []), str(body))


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


async def _follow(client: ClientSession, location: str) -> PublishOutcome:
    _, known = await fetch_until(
        partial(_request, client, "GET", location), lambda told: told[1]["state"] != "received"
    )
    return _build_outcome(known.get("problems", []), str(known))


async def publish_file(system: SteeringHarness, event: Event) -> PublishOutcome:
    """With `kreisfunk publish`."""
    file = system.stack.folder / f"{event['id']}.json"
    file.write_text(json.dumps(event))
    where = ("--stack", str(system.stack.folder), "--json")
    ended = await run_in_process("publish", str(file), *where, environment={})
    assert ended.status in (0, 3), ended.everything
    problems = ended.json.get("problems", [])
    assert bool(problems) == (ended.status == 3), ended.everything
    return _build_outcome(problems, ended.everything)
