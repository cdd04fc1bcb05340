"""Memory of the notices API stays bounded whatever comes without a token."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.harness.notices_api import BATCH, WITHDRAWN, NoticesApi, data, event, run_notices_api
from tests.harness.notices_county import text_of
from tests.integration.ingress.connections import build_head, open_connection, read_memory_peak

CONNECTIONS = 500
HUGE = 4 * 1024 * 1024
LIMIT = 200 * 1000 * 1000
GUESSED = "Authorization: Bearer kreisfunk_" + "0" * 43


@pytest.mark.parametrize("headers", [(GUESSED,), (GUESSED, "Expect: 100-continue")])
async def test_500_connections_without_a_token_take_less_than_200_megabytes(
    broker_url: str, tmp_path: Path, headers: tuple[str, ...]
) -> None:
    beginning = build_head(HUGE, "Content-Type: application/json", *headers, path="/notices")
    async with run_notices_api(broker_url, tmp_path) as api, AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(open_connection(api.url)) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(each.flood(beginning, HUGE) for each in strangers))
        assert read_memory_peak(api.child) < LIMIT
        assert (await api.ask("GET", "/openapi.json", token=None)).status == 200
        assert "Traceback" not in api.log


async def test_a_body_is_not_waited_for_before_the_token_is_checked(api: NoticesApi) -> None:
    async with open_connection(api.url) as stranger:
        await stranger.send(build_head(1000, GUESSED, path="/notices"))
        assert b" 401 " in await stranger.read_answer()
    assert (await api.publish(event(data=data()))).status == 202


async def test_lists_that_nobody_reads_take_less_than_200_megabytes(broker_url: str, tmp_path: Path) -> None:
    """One of them has a megabyte."""
    head = f"GET /notices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {text_of('press')}\r\n\r\n".encode()
    async with run_notices_api(broker_url, tmp_path) as api, AsyncExitStack() as stack:
        for batch in range(20):
            names = [f"{batch}-{place}-{'x' * 190}" for place in range(100)]
            events = [event(type=WITHDRAWN, id=name, subject=name[:100], data={}, expirytime=None) for name in names]
            assert (await api.post(events, BATCH)).status == 202
        idle = [await stack.enter_async_context(open_connection(api.url, limit=2_048)) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(each.send(head) for each in idle))
        statuses = Counter([(await each.read_answer()).split()[1] for each in idle])
        assert statuses == {b"200": 20, b"429": CONNECTIONS - 20}
        assert read_memory_peak(api.child) < LIMIT
