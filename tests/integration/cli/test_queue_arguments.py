"""Queues that a release declares otherwise, at a real broker: what doctor and migrate say of them."""

from collections.abc import AsyncIterator, Mapping

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from cli.doctor.servers import check_queue_arguments
from cli.migrate.broker import migrate_broker
from cli.settings import MigrationSettings
from cli.stacks import read_settings_from
from shared.amqp import topology
from tests.harness.commands import build_admin_settings, run_in_process
from tests.servers import Servers

CHANGED, MISSING = topology.NEWSROOM_EVENTS, topology.SUBSCRIPTIONS_REACTIONS
FOUND = (
    f"{CHANGED.name}: x-max-length is 5 instead of {CHANGED.max_length}, x-message-ttl is None instead of 1209600000"
)


@pytest.fixture
async def channel(vhost: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(vhost) as connection:
        yield await connection.channel()


@pytest.fixture
def environment(servers: Servers, vhost: str) -> Mapping[str, str]:
    return build_admin_settings(servers, vhost)


async def test_a_queue_that_cannot_be_changed_in_place_is_named_and_nothing_is_changed(
    environment: Mapping[str, str], channel: AbstractChannel
) -> None:
    admin = read_settings_from(environment, MigrationSettings)
    assert await check_queue_arguments(admin) is None
    for queue in (CHANGED, MISSING):
        await channel.queue_delete(queue.name)
    other = {**topology.list_arguments()[CHANGED.name], "x-max-length": 5}
    del other["x-message-ttl"]
    await channel.declare_queue(CHANGED.name, durable=True, arguments=other)
    found = await check_queue_arguments(admin)
    assert found is not None
    assert found.what == FOUND
    refused = await run_in_process("migrate", environment=environment)
    assert (refused.status, FOUND in refused.errors) == (1, True), refused.everything
    with pytest.raises(ChannelNotFoundEntity):
        await channel.get_queue(MISSING.name)
    await channel.reopen()
    await channel.queue_delete(CHANGED.name)
    await migrate_broker(admin)
    assert await check_queue_arguments(admin) is None
