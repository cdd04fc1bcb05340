"""Memory stays bounded whatever strangers send, and WhatsApp is still served."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shared.contracts.inbound import InboundMessages
from tests.factories.webhooks import build_messages_body, build_text_message, sign
from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.ingress_queues import IngressQueues
from tests.integration.ingress.connections import build_head, open_connection, read_memory_peak

CONNECTIONS = 500
STRANGERS = 1_500
DEFAULT_FILES = 1_024  # that a process may have open by default
HUGE = 4 * 1024 * 1024
LIMIT = 200 * 1000 * 1000
WRONG = "X-Hub-Signature-256: sha256=" + "0" * 64
CHUNKED = b"%x\r\n" % HUGE
HEADERS = tuple(f"X-Filling-{number}: {'x' * 4000}" for number in range(200))
MANY_HEADERS = "".join(f"X-Filling-{number}: {'x' * 60}\r\n" for number in range(90))
PIPELINED = f"GET /webhook HTTP/1.1\r\nHost: x\r\n{MANY_HEADERS}\r\n".encode() * 40
JUST_FITTING = build_head(HUGE, WRONG, *(f"X-Filling-{number}: {'x' * 110}" for number in range(120)))
WAVES = 6
NO_REQUEST = 60_000  # bytes
UPGRADE = b"GET /webhook HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
TRAILERS = build_head(None, WRONG) + b"1\r\nx\r\n0\r\n" + b"X-Filling: x\r\n" * 20_000


@pytest.fixture
async def fresh(broker_url: str, tmp_path: Path) -> AsyncIterator[IngressProcess]:
    """An ingress whose peak of memory is this test's."""
    async with run_ingress(broker_url, tmp_path / "ingress.log") as running:
        yield running


@pytest.mark.parametrize(
    ("beginning", "size"),
    [
        pytest.param(build_head(HUGE, "X-Other: 1"), HUGE, id="without a signature"),
        pytest.param(build_head(HUGE, WRONG), HUGE, id="with a wrong signature"),
        pytest.param(build_head(None, WRONG) + CHUNKED, HUGE - 1, id="chunked"),
        pytest.param(build_head(HUGE, *HEADERS)[:-4], 0, id="headers without an end"),
        pytest.param(PIPELINED, 0, id="many requests at once"),
        pytest.param(JUST_FITTING, HUGE - 1, id="headers that just fit, and a body without its end"),
        pytest.param(TRAILERS, 0, id="trailers without an end"),
    ],
)
async def test_500_hostile_connections_take_less_than_200_megabytes(
    fresh: IngressProcess, queues: IngressQueues, beginning: bytes, size: int
) -> None:
    async with AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(open_connection(fresh.url)) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(each.flood(beginning, size) for each in strangers))
        assert await fresh.post(build_messages_body(build_text_message(1))) == 200
        assert await fresh.post(build_messages_body(build_text_message(2)).ljust(HUGE)) == 200

    assert len(await queues.take(InboundMessages)) == 2
    assert read_memory_peak(fresh.child) < LIMIT
    assert await fresh.is_ready()
    assert "Traceback" not in fresh.log


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(build_head(9, WRONG)[:-2], id="half a head"),
        pytest.param(build_head(9, WRONG) + b"half", id="half a body"),
        pytest.param(b"GET /webhook HTTP/1.1\r\nHost: x\r\n\r\n", id="a question, and then nothing"),
    ],
)
async def test_whatsapp_is_heard_among_more_strangers_than_a_process_may_have_files_open(
    fresh: IngressProcess, queues: IngressQueues, beginning: bytes
) -> None:
    assert fresh.child.pid is not None
    resource.prlimit(fresh.child.pid, resource.RLIMIT_NOFILE, (DEFAULT_FILES, DEFAULT_FILES))
    async with AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(open_connection(fresh.url)) for _ in range(STRANGERS)]
        await asyncio.gather(*(each.flood(beginning, 0) for each in strangers))
        for number in range(5):
            assert await fresh.post(build_messages_body(build_text_message(number))) == 200

    assert sum(len(group.messages) for group in await queues.take(InboundMessages)) == 5
    assert read_memory_peak(fresh.child) < LIMIT
    assert "Traceback" not in fresh.log


async def test_strangers_who_go_leave_nothing_behind(fresh: IngressProcess) -> None:
    """The parser's error about what is no request would keep it, until garbage is collected."""
    for _ in range(WAVES):
        async with AsyncExitStack() as stack:
            strangers = [await stack.enter_async_context(open_connection(fresh.url)) for _ in range(CONNECTIONS)]
            await asyncio.gather(*(each.flood(UPGRADE, NO_REQUEST) for each in strangers))
            await asyncio.gather(*(each.reader.read() for each in strangers), return_exceptions=True)
    assert read_memory_peak(fresh.child) < LIMIT


@pytest.mark.parametrize(("chunks", "status"), [(300, b"200"), (2_000, b"400")])
async def test_a_body_in_tiny_chunks_is_given_up_before_it_is_parsed(
    ingress: IngressProcess, chunks: int, status: bytes
) -> None:
    """Parsing takes a hundred times as long as their content is worth."""
    body = build_messages_body(build_text_message(1))
    filled = body.ljust(len(body) + chunks)
    head = build_head(None, f"X-Hub-Signature-256: {sign(filled)}", "Expect: 100-continue")
    async with open_connection(ingress.url) as connection:
        await connection.send(head)
        assert (await connection.read_answer()).split()[1] == b"100"
        await connection.send(b"%x\r\n%s\r\n" % (len(body), body) + b"1\r\n \r\n" * chunks + b"0\r\n\r\n")
        assert (await connection.read_answer()).split()[1] == status
