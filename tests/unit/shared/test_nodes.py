"""URLs with several servers, and which node of a broker is asked when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from deploy.local.ports import LOOPBACK
from shared.amqp.connection import NodeRotation, parse_nodes
from shared.runtime.hosts import get_login, replace_login, split_hosts

CLOSED = 1  # a port at which nobody listens
PASSWORD = "ein Passwort: mit %-Zeichen/"


@asynccontextmanager
async def run_node() -> AsyncIterator[int]:
    """A server that accepts connections and says nothing."""

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(5):
            await writer.wait_closed()

    server = await asyncio.start_server(hold, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def open_port(rotation: NodeRotation, url: URL) -> int:
    """Returns the port of the node that answered."""
    _, writer = await rotation.create(url, ssl_context_provider=None)
    try:
        port: int = writer.get_extra_info("peername")[1]
        return port
    finally:
        writer.transport.abort()


def build_urls(*ports: int) -> list[URL]:
    return [URL(f"amqp://login@{LOOPBACK}:{port}/vhost") for port in ports]


async def test_nodes_that_refuse_are_passed_over_and_each_attempt_begins_with_another_one() -> None:
    async with AsyncExitStack() as ends:
        first, second = [await ends.enter_async_context(run_node()) for _ in range(2)]
        nodes = build_urls(first, CLOSED, second)
        rotation = NodeRotation(nodes)
        assert [await open_port(rotation, nodes[0]) for _ in range(4)] == [first, second, first, second]


async def test_when_no_node_answers_the_attempt_fails() -> None:
    nodes = build_urls(CLOSED, CLOSED)
    with pytest.raises(AMQPConnectionError):
        await open_port(NodeRotation(nodes), nodes[0])


def test_every_node_is_asked_with_the_same_login() -> None:
    nodes = parse_nodes(f"amqp://login@{LOOPBACK}:1,{LOOPBACK}:2/v", PASSWORD)
    assert {(node.user, node.password, node.path) for node in nodes} == {("login", PASSWORD, "/v")}
    assert {node.port for node in nodes} == {1, 2}


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("amqp://a@b:1/", ["amqp://a@b:1/"]),
        ("amqp://a:p%40@b:1,c:2,d/v", ["amqp://a:p%40@b:1/v", "amqp://a:p%40@c:2/v", "amqp://a:p%40@d/v"]),
        (
            "postgresql://b,[::1]:2/k?sslmode=require",
            ["postgresql://b/k?sslmode=require", "postgresql://[::1]:2/k?sslmode=require"],
        ),
        ("postgresql:///k?host=/run", ["postgresql:///k?host=/run"]),
    ],
)
def test_each_server_gets_a_url_of_its_own(url: str, each: list[str]) -> None:
    assert split_hosts(url) == each


def test_the_login_is_read_and_replaced_whatever_follows_it() -> None:
    assert get_login("amqp://a%2Fb:secret@c:1,d:2/") == "a/b"
    assert get_login("amqp://c:1,d:2/") == ""
    assert replace_login("amqp://a:secret@c:1,d:2/v", "other") == "amqp://other@c:1,d:2/v"
