"""What is published in tests is really looked at, and what is wrong is found."""

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aio_pika
import pytest

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeAccepted
from tests.contract_recorder import recorder
from tests.contract_recorder.coverage import SEEN, build_place
from tests.contract_recorder.recorder import ContractRecorder, ContractViolationError, RecorderBlindError
from tests.integration.cli.notice_responder import let_log_in
from tests.servers import Servers, call_broker_api, create_vhost

ACCEPTED = NoticeAccepted(source="/x", event="1", notice="n", revision=1)
PLACE = build_place(topology.EVENTS, ACCEPTED.KEY, ACCEPTED.TYPE)


@dataclass(frozen=True)
class Tapped:
    """A vhost of its own. Who publishes is a service with its login, or a test."""

    tap: ContractRecorder
    service_url: str

    async def publish(self, body: bytes, *, by_service: bool = True) -> None:
        async with (
            await aio_pika.connect(self.service_url if by_service else self.tap.url) as connection,
            connection.channel() as channel,
        ):
            exchange = await channel.get_exchange(topology.EVENTS, ensure=False)
            mode = aio_pika.DeliveryMode.PERSISTENT
            message = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=mode)
            await exchange.publish(message, ACCEPTED.KEY, mandatory=False)


@pytest.fixture
async def tapped(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tapped]:
    monkeypatch.setattr(SEEN, "counts", Counter())  # what is published here is nothing that has to be seen
    async with create_vhost(servers, f"tap-{secrets.token_hex(6)}") as url:
        tap = ContractRecorder(url, servers.broker_api_url)
        await tap.open()
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            await topology.declare(channel)
        yield Tapped(tap, await let_log_in(servers, url, "subscriptions"))


def event() -> bytes:
    return encode(ACCEPTED, event_id="e", source="/kreisfunk/subscriptions", time=datetime.now(UTC))


def with_data(**changed: object) -> bytes:
    parsed = json.loads(event())
    return json.dumps({**parsed, "data": {**parsed["data"], **changed}}).encode()


async def test_what_a_test_publishes_on_purpose_is_excused_what_a_service_publishes_is_not(tapped: Tapped) -> None:
    await tapped.publish(event())
    async with tapped.tap.allow_violations():
        await tapped.publish(b"wrong", by_service=False)
        await tapped.publish(with_data(revision="1"))
    await tapped.publish(b"no JSON", by_service=False)
    with pytest.raises(ContractViolationError, match="is not of type") as raised:
        await tapped.tap.close()
    assert "1 times: None on kreisfunk.events with notice.accepted: no contract has this type" in str(raised.value)
    assert SEEN.counts == {PLACE: 1}


async def test_a_tap_that_sees_nothing_is_an_error(
    tapped: Tapped, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "WAIT_TIMEOUT_SECONDS", 0.5)
    await call_broker_api(servers, "PUT", f"vhosts/{tapped.tap.url.rpartition('/')[2]}", {"tracing": False})
    await tapped.publish(b"no JSON")
    with pytest.raises(RecorderBlindError):
        await tapped.tap.close()
