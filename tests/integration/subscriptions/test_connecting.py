"""A broker lost while a service starts counts as unavailable, like one that was never there."""

from urllib.parse import urlsplit

import pytest

from deploy.local.ports import LOOPBACK
from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.publisher import open_publisher
from tests.proxy import NetworkConditions, run_proxy
from tests.servers import wait_for


async def test_a_channel_of_a_connection_that_is_lost_is_a_broker_that_is_away(vhost: str) -> None:
    address = urlsplit(vhost)
    async with run_proxy([address.port or 5672]) as proxy:
        url = address._replace(netloc=f"{address.netloc.rpartition('@')[0]}@{LOOPBACK}:{proxy.port}").geturl()
        async with connect(url, password=None, name="test") as connection:
            proxy.set_conditions(NetworkConditions(refuse=True))

            async def is_reconnecting() -> bool:
                return connection.transport is None

            await wait_for(is_reconnecting)
            with pytest.raises(BrokerUnavailable):
                async with open_publisher(connection):
                    pass
