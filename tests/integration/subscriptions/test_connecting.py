"""A broker lost while a service starts counts as unavailable, like one that was never there."""

import pytest

from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.publisher import open_publisher
from tests.proxy import NetworkConditions, run_proxy_to
from tests.servers import wait_for


async def test_a_channel_of_a_connection_that_is_lost_is_a_broker_that_is_away(vhost: str) -> None:
    async with run_proxy_to(vhost) as (proxy, url), connect(url, password=None, name="test") as connection:
        proxy.set_conditions(NetworkConditions(refuse=True))
        await wait_for(lambda: connection.transport is None)
        with pytest.raises(BrokerUnavailable):
            async with open_publisher(connection):
                pass
