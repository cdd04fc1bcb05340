"""Opening of connections to a broker that may have several nodes."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiormq.connection import DEFAULT_PORTS, TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from shared.runtime.hosts import split_hosts

# A node whose machine is gone does not refuse: the next one has to be tried before the attempt as a whole times out.
NODE_TIMEOUT_SECONDS = 2.0


def parse_nodes(url: str, password: str | None) -> list[URL]:
    """Return the URL of each node, in random order, so that replicas spread over the cluster."""
    nodes = [URL(each).with_password(password) if password else URL(each) for each in split_hosts(url)]
    random.shuffle(nodes)
    return nodes


class NodeRotation(TransportFactory):
    """Opener of transports that asks the nodes in turn until one answers, and begins with another one each time.

    Beginning with another one matters for a node that accepts the transport and then says nothing.
    """

    def __init__(self, nodes: Sequence[URL]) -> None:
        self._nodes = deque(nodes)
        self._opener = TLSTransportFactory() if nodes[0].scheme == "amqps" else TCPTransportFactory()

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a transport to one of the nodes. Raises AMQPConnectionError or TimeoutError if none answers."""
        *others, last = self._nodes
        for node in others:
            self._nodes.rotate(-1)
            with suppress(AMQPConnectionError, TimeoutError):
                async with asyncio.timeout(NODE_TIMEOUT_SECONDS):
                    return await self._opener.create(_build_target(url, node), **kwargs)
        self._nodes.rotate(-1)
        return await self._opener.create(_build_target(url, last), **kwargs)


def _build_target(url: URL, node: URL) -> URL:
    return url.with_host(node.host or "").with_port(node.port or DEFAULT_PORTS[node.scheme])
