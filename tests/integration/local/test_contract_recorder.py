"""Messages published in tests are checked against the contracts, and violations are found."""

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
from tests.contract_recorder import recorder as recorder_module
from tests.contract_recorder.coverage import SEEN, build_place
from tests.contract_recorder.recorder import ContractRecorder, ContractViolationError, RecorderBlindError
from tests.harness.service_login import service_login
from tests.servers import Servers, call_broker_api, create_vhost

ACCEPTED = NoticeAccepted(source="/x", event="1", notice="n", revision=1)
PLACE = build_place(topology.EVENTS, ACCEPTED.KEY, ACCEPTED.TYPE)


@dataclass(frozen=True)
class RecordedVhost:
    """A vhost of its own. A service publishes with its login, or a test does."""

    recorder: ContractRecorder
    service_url: str

    async def publish(self, body: bytes, *, by_service: bool = True) -> None:
        async with (
            await aio_pika.connect(self.service_url if by_service else self.recorder.url) as connection,
            connection.channel() as channel,
        ):
            exchange = await channel.get_exchange(topology.EVENTS, ensure=False)
            mode = aio_pika.DeliveryMode.PERSISTENT
            message = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=mode)
            await exchange.publish(message, ACCEPTED.KEY, mandatory=False)


@pytest.fixture
async def recorded_vhost(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RecordedVhost]:
    monkeypatch.setattr(SEEN, "counts", Counter())  # messages of this module do not count as coverage
    async with create_vhost(servers, f"recorded-{secrets.token_hex(6)}") as url:
        recorder = ContractRecorder(url, servers.broker_api_url)
        await recorder.open()
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            await topology.declare(channel)
        async with service_login(servers, url, "subscriptions") as service_url:
            yield RecordedVhost(recorder, service_url)


def event() -> bytes:
    return encode(ACCEPTED, event_id="e", source="/kreisfunk/subscriptions", time=datetime.now(UTC))


def with_data(**changed: object) -> bytes:
    parsed = json.loads(event())
    return json.dumps({**parsed, "data": {**parsed["data"], **changed}}).encode()


async def test_what_a_test_publishes_on_purpose_is_excused_what_a_service_publishes_is_not(
    recorded_vhost: RecordedVhost,
) -> None:
    await recorded_vhost.publish(event())
    async with recorded_vhost.recorder.allow_violations():
        await recorded_vhost.publish(b"wrong", by_service=False)
        await recorded_vhost.publish(with_data(revision="1"))
    await recorded_vhost.publish(b"no JSON", by_service=False)
    with pytest.raises(ContractViolationError, match="is not of type") as raised:
        await recorded_vhost.recorder.close()
    assert "1 times: None on kreisfunk.events with notice.accepted: no contract has this type" in str(raised.value)
    assert SEEN.counts == {PLACE: 1}


async def test_a_recorder_that_sees_nothing_is_an_error(
    recorded_vhost: RecordedVhost, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "WAIT_TIMEOUT_SECONDS", 0.5)
    await call_broker_api(
        servers, "PUT", f"vhosts/{recorded_vhost.recorder.url.rpartition('/')[2]}", {"tracing": False}
    )
    await recorded_vhost.publish(b"no JSON")
    with pytest.raises(RecorderBlindError):
        await recorded_vhost.recorder.close()
