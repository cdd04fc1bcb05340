"""Requests that are made to break the notices API: each has an answer, none is a failure, and memory stays bounded."""

import asyncio
import json
import random
from asyncio import IncompleteReadError
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.harness.notices_api import BATCH, STRUCTURED, WITHDRAWN, NoticesApi, data, event, run_notices_api, soon
from tests.harness.notices_county import text_of
from tests.integration.ingress.connections import build_head, open_connection, read_memory_peak
from tests.servers import wait_for

RANDOM_REQUESTS = 1_500
JSON = "application/json"
HUGE = "9" * 5_000
PARAMETERS = (
    "charset*=utf-8''x; charset*0=y",
    f"charset*{HUGE}=utf-8",
    "charset*0*=utf-8''%ff; charset*1=x",
    "charset*=iso-2022-kr''%1b",
    "charset=\udcff",
    "charset=utf-8; charset=utf-16",
    'charset="utf-8',
    "=;=;=",
    "boundary=" + "x" * 1_000,
)
TYPES = (STRUCTURED, BATCH, JSON, "", "text/plain", "a/b/c", "\udcff/\udcff", f"{JSON};" * 500)
TOKENS = (
    f"Bearer {text_of('press')}",
    f"bearer  {text_of('press')} ",
    f"Bearer\t{text_of('press')}",
    f"Bearer {text_of('press')}, Bearer {text_of('press')}",
    "Bearer",
    "Bearer \udcff\udcfe",
    "Bearer " + "x" * 5_000,
    "Bearer %00",
    "Basic eDp4",
    "",
)
EXTRAS = (
    "Idempotency-Key: k",
    'Idempotency-Key: "',
    "Idempotency-Key: \udce4\udcf6",
    f"Idempotency-Key: {'x' * 5_000}",
    "Last-Event-ID: \udcff",
    f"Last-Event-ID: {HUGE}",
    "Accept: text/event-stream; q=\udcff",
    "Accept: */*;q=nan",
    "X-Forwarded-For: ::ffff:1.2.3.4%eth0, fe80::1%25, , \udcff",
    "Content-Encoding: gzip",
    "Content-Encoding: identity, identity",
    "Expect: 100-continue",
    "Expect: \udcff",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Host: \udcff",
    "Cookie: \udcff=\udcff; $Version=1",
    "Range: bytes=0-",
    "ce-id: %ff",
    "ce-id: \udcff",
    "ce-time: 0001-01-01T00:00:00+14:00",
    "ce-specversion: 1.0",
    "ce-\udcff: x",
    "ce-data: x",
)
NOTICE, FOREIGN, WRONG, PLAIN = (
    json.dumps(content).encode()
    for content in (
        event(data=data()),
        event(data=data(), source="/no/such/source"),
        event(data=data(text="\u202e\x1b[2J" + "ﷺ" * 800, link="https://[::1", topic={"": [[]]})),
        {**data(), "expires_at": soon()},
    )
)
BODIES = ((NOTICE, FOREIGN, WRONG, PLAIN), (b"[%b]" % NOTICE, b"[%b]" % b",".join([NOTICE] * 101)))
BROKEN = (b"", b"\xef\xbb\xbf" + NOTICE, NOTICE.decode().encode("utf-16"), NOTICE + b"\0", b"NaN", b"[" * 9_000)
METHODS = ("POST", "POST", "POST", "GET", "PUT", "TRACE", "CONNECT", "OPTIONS", "post", "M-SEARCH", "X" * 200)
PATHS = (
    "/notices",
    "/notices/check",
    "/notices/",
    "//notices",
    "/notices?" + "x=%ff&" * 500,
    "/notices%2fcheck",
    "/notices\udcff",
    "/events/" + "0" * 32,
    "/events/" + "A" * 32,
    "/events/%00",
    "/events/..%2f..%2fetc",
    "/%ff%fe",
    "http://[::1/notices",
    "*",
    "/openapi.json",
)


def request(number: int) -> bytes:
    chance = random.Random(number)
    kind = chance.choice(TYPES[:3] * 4 + TYPES)
    if chance.random() < 0.3:
        kind = f"{kind}; {chance.choice(PARAMETERS)}"
    body = chance.choice(BODIES[kind.partition(";")[0] == BATCH] * 4 + BROKEN)
    headers = [
        f"Authorization: {chance.choice(TOKENS[:1] * 30 + TOKENS)}",
        f"Content-Type: {kind}",
        *chance.sample(EXTRAS, chance.choice((0, 0, 1, 2, 5))),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    line = f"{chance.choice(METHODS)} {chance.choice(PATHS[:2] * 8 + PATHS)} HTTP/1.1"
    return "\r\n".join((line, "Host: x", *headers, "", "")).encode(errors="surrogateescape") + body


async def test_every_request_has_an_answer_and_none_fails(api: NoticesApi) -> None:
    await wait_for(lambda: has_read_all(api))
    answers = {number: await status_of(api, request(number)) for number in range(RANDOM_REQUESTS)}
    statuses, wrong = set(answers.values()), {number: status for number, status in answers.items() if status >= 500}
    assert not wrong, wrong
    assert {202, 400, 401, 403, 404, 405, 415, 422} <= statuses
    assert "Traceback" not in api.log
    assert "_failed" not in api.log


@pytest.mark.parametrize("target", ["http://[]@/notices", "http://][@", "http://:1]1[@/notices"])
async def test_a_target_that_no_library_can_read_is_a_mistake_of_the_client(api: NoticesApi, target: str) -> None:
    """yarl reads beyond the end of its host."""
    for _ in range(3):
        assert await status_of(api, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) == 400
    assert "Traceback" not in api.log


async def has_read_all(api: NoticesApi) -> bool:
    return (await api.ask("GET", "/notices")).status == 200


async def status_of(api: NoticesApi, data: bytes) -> int:
    """0 if the connection was ended without a word, which a head of more than 16 KiB is worth."""
    async with open_connection(api.url) as connection:
        try:
            await connection.send(data)
            return int((await connection.read_answer()).split()[1])
        except (IncompleteReadError, ConnectionError):
            return 0


CONNECTIONS = 500
HUGE_BODY = 4 * 1024 * 1024
LIMIT = 200 * 1000 * 1000
GUESSED = "Authorization: Bearer kreisfunk_" + "0" * 43


@pytest.mark.parametrize("headers", [(GUESSED,), (GUESSED, "Expect: 100-continue")])
async def test_500_connections_without_a_token_take_less_than_200_megabytes(
    broker_url: str, tmp_path: Path, headers: tuple[str, ...]
) -> None:
    beginning = build_head(HUGE_BODY, "Content-Type: application/json", *headers, path="/notices")
    async with run_notices_api(broker_url, tmp_path) as api, AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(open_connection(api.url)) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(each.flood(beginning, HUGE_BODY) for each in strangers))
        assert read_memory_peak(api.child) < LIMIT
        assert (await api.ask("GET", "/openapi.json", token=None)).status == 200
        assert "Traceback" not in api.log


async def test_a_body_is_not_waited_for_before_the_token_is_checked(broker_url: str, tmp_path: Path) -> None:
    """By an API of its own: where others have guessed a moment ago, the answer is 429."""
    async with run_notices_api(broker_url, tmp_path) as api:
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
