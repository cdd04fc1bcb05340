"""More connections of strangers than a process may have open: WhatsApp is heard meanwhile."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shared.contracts.inbound import InboundMessages
from tests.factories.webhooks import build_messages_body, build_text_message
from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.ingress_queues import IngressQueues
from tests.integration.ingress.connections import RawConnection, build_head, open_connection, read_memory_peak
from tests.integration.ingress.test_memory import LIMIT, WRONG

STRANGERS = 1_500
USUAL_FILES = 1_024  # that a process may have open, where nobody says otherwise
ASKED = b"GET /webhook HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def usual(broker_url: str, tmp_path: Path) -> AsyncIterator[IngressProcess]:
    """An ingress that may have as many files open as is usual."""
    async with run_ingress(broker_url, tmp_path / "ingress.log") as running:
        assert running.child.pid is not None
        resource.prlimit(running.child.pid, resource.RLIMIT_NOFILE, (USUAL_FILES, USUAL_FILES))
        yield running


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(build_head(9, WRONG)[:-2], id="half a head"),
        pytest.param(build_head(9, WRONG) + b"half", id="half a body"),
        pytest.param(ASKED, id="a question, and then nothing"),
    ],
)
async def test_whatsapp_is_heard_among_1500_strangers(
    usual: IngressProcess, queues: IngressQueues, beginning: bytes
) -> None:
    async with AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(open_connection(usual.url)) for _ in range(STRANGERS)]
        await asyncio.gather(*(begin(each, beginning) for each in strangers))
        for number in range(5):
            assert await usual.post(build_messages_body(build_text_message(number))) == 200

    assert sum(len(group.messages) for group in await queues.take(InboundMessages)) == 5
    assert read_memory_peak(usual.child) < LIMIT
    assert "Traceback" not in usual.log


async def begin(stranger: RawConnection, beginning: bytes) -> None:
    try:
        await stranger.send(beginning)
    except ConnectionError:
        return  # there are newer ones
