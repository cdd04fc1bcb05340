"""A website with hostile headers: they are left out, and the feed is still read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.ports import LOOPBACK
from services.feeds.fetching import FetchFailed, open_fetcher
from tests.factories.feeds import build_item, build_rss
from tests.integration.feeds.harness import FeedsHarness

HUGE = b"9" * 5_000


def written(status: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"HTTP/1.1 " + status, b"Connection: close", length, *headers, b"", body))


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """The address of a server that answers everything with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "asked",
    [
        b"Fri, 27 Nov 2026 10:00:00 +99999999999999999",
        b"Fri, 27 Nov 99999999999 10:00:00 +0100",
        b"Fri, 99 Nov 2026 99:99:99 GMT",
        b"\xc2\xb2",
        b"\xff",
        b"-1",
    ],
)
async def test_a_moment_that_is_none_is_no_reason_to_fail_otherwise(asked: bytes) -> None:
    async with (
        answering(written(b"503 Later", b"Retry-After: " + asked)) as address,
        open_fetcher(None, (LOOPBACK,)) as fetcher,
    ):
        with pytest.raises(FetchFailed) as failed:
            await fetcher.fetch(address)
    assert (failed.value.reason, failed.value.retry_after) == ("status_503", None)


@pytest.mark.parametrize(
    ("header", "end"),
    [
        (b'ETag: "\xff"', b"</rss>"),
        (b"Last-Modified: \xe4", b"</rss>"),
        (b"Content-Type: text/xml; charset=\xff", b"</rss>"),
        (b"Content-Type: text/xml; charset*=utf-8''x; charset*0=y", b"</rss>"),
        (b"Content-Type: text/xml; charset*" + HUGE + b"=x", b"</rss>"),
        (b"Content-Type: text/xml; charset=unicode_escape", b"</rss>"),
        (b"Content-Type: \xff/\xff; charset=idna", b"</rss>"),
        (b"Content-Type: text/xml; charset*=us-ascii''a%00b", b""),  # looked at only if it is not well-formed
    ],
)
async def test_what_is_no_text_is_left_out_and_the_feed_is_read_again_and_again(
    harness: FeedsHarness, header: bytes, end: bytes
) -> None:
    body = build_rss([build_item(1)]).removesuffix(b"</rss>") + end
    async with answering(written(b"200 OK", header, body=body)) as address:
        harness.url = address
        assert (await harness.poll_once()).output == "presse: 1 published\n"
        assert (await harness.poll_once()).output == "presse: 1 known\n"


async def test_more_headers_than_anybody_needs_are_not_read(harness: FeedsHarness) -> None:
    many = (b"X-Filling-%d: %s" % (number, b"x" * 8_000) for number in range(5_000))
    async with answering(written(b"200 OK", *many, body=build_rss([build_item(1)]))) as address:
        harness.url = address
        ended = await harness.poll_once()
    assert ended.output.startswith("presse: cannot be read: connection: ")
