"""Politeness and bounds against a real server, whose hostile headers are left out."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from deploy.local.ports import LOOPBACK
from services.feeds.fetching import Fetcher, FetchFailed, is_internal, open_fetcher
from tests.factories.feeds import build_item, build_rss
from tests.harness.website import (
    Answer,
    FakeWebsite,
    answer_endlessly,
    build_conditional_answer,
    build_text_answer,
    never_answer,
)
from tests.integration.feeds.harness import FeedsHarness
from tests.own_ca import create_own_ca, run_tls_server


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with open_fetcher("https://county.example/impressum", (LOOPBACK,)) as fetcher:
        yield fetcher


async def failing(fetcher: Fetcher, address: str) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        await fetcher.fetch(address)
    return failed.value


async def test_we_say_who_we_are_and_whom_to_write_to(website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/feed"] = build_text_answer(b"<rss/>")
    assert (await fetcher.fetch(f"{website.url}/feed")).body == b"<rss/>"
    assert website.requests[0].headers["User-Agent"] == "Kreisfunk (+https://county.example/impressum)"


async def test_what_has_not_changed_is_not_sent_again(website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/feed"] = build_conditional_answer(
        b"<rss/>", etag='"a"', last_modified="Wed, 25 Nov 2026 10:00:00 GMT"
    )
    first = await fetcher.fetch(f"{website.url}/feed")
    again = await fetcher.fetch(f"{website.url}/feed", etag=first.etag, last_modified=first.last_modified)
    assert (first.body, again.body) == (b"<rss/>", None)


async def test_a_redirect_is_followed_and_a_ring_of_them_is_not(website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/old"] = build_text_answer(b"", status=301, headers={"Location": "/feed"})
    website.pages["/feed"] = build_text_answer(b"<rss/>")
    found = await fetcher.fetch(f"{website.url}/old")
    assert (found.body, found.address) == (b"<rss/>", f"{website.url}/feed")
    website.pages["/ring"] = build_text_answer(b"", status=302, headers={"Location": "/ring"})
    assert (await failing(fetcher, f"{website.url}/ring")).reason == "redirects"


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://127.0.0.1/x", "gopher:x", "", "http://[::1", "http://[]@"]
)
async def test_a_redirect_leads_to_the_web_only(location: str, website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/feed"] = build_text_answer(b"", status=302, headers={"Location": location})
    assert (await failing(fetcher, f"{website.url}/feed")).reason == "redirects"


async def test_no_cookie_is_stored(website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/feed"] = build_text_answer(b"x", headers={"Set-Cookie": "a=b"})
    for _ in range(2):
        await fetcher.fetch(f"{website.url}/feed")
    assert [dict(request.cookies) for request in website.requests] == [{}, {}]


@pytest.mark.parametrize(("asked", "seconds"), [("120", 120), ("999999999999", 86_400), ("soon", None), ("", None)])
async def test_too_many_requests_says_how_long_to_wait(
    asked: str, seconds: float | None, website: FakeWebsite, fetcher: Fetcher
) -> None:
    website.pages["/feed"] = build_text_answer(b"", status=429, headers={"Retry-After": asked})
    failed = await failing(fetcher, f"{website.url}/feed")
    assert (failed.reason, failed.retry_after) == ("status_429", seconds)


@pytest.mark.parametrize(("hours", "seconds"), [(2, pytest.approx(7_200, abs=600)), (30, 86_400), (-30, 0)])
async def test_too_many_requests_says_until_when_to_wait(
    hours: int, seconds: float, website: FakeWebsite, fetcher: Fetcher
) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    website.pages["/feed"] = build_text_answer(b"", status=429, headers={"Retry-After": until})
    failed = await failing(fetcher, f"{website.url}/feed")
    assert (failed.reason, failed.retry_after) == ("status_429", seconds)


@pytest.mark.parametrize("answer", [answer_endlessly, build_text_answer(b"x" * 2_000_001)])
async def test_what_is_too_large_is_not_read_to_the_end(answer: Answer, website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/feed"] = answer
    assert (await failing(fetcher, f"{website.url}/feed")).reason == "too_large"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_packed_is_unpacked_up_to_the_bound(
    encoding: str, pack: "type[bytes]", website: FakeWebsite, fetcher: Fetcher
) -> None:
    website.pages["/small"] = build_text_answer(pack(b"<rss/>" * 1000), headers={"Content-Encoding": encoding})
    website.pages["/bomb"] = build_text_answer(pack(b"\0" * 200_000_000), headers={"Content-Encoding": encoding})
    assert (await fetcher.fetch(f"{website.url}/small")).body == b"<rss/>" * 1000
    assert (await failing(fetcher, f"{website.url}/bomb")).reason == "too_large"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"not packed"), ("br", b"x"), ("gzip", gzip.compress(b"x" * 5000, mtime=0)[:-9])],
    ids=["not packed", "unknown", "cut off"],
)
async def test_packed_otherwise_than_it_says_is_an_error(
    encoding: str, body: bytes, website: FakeWebsite, fetcher: Fetcher
) -> None:
    website.pages["/feed"] = build_text_answer(body, headers={"Content-Encoding": encoding})
    assert (await failing(fetcher, f"{website.url}/feed")).reason == "encoding"


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"<rss")
    return await never_answer(request)


@pytest.mark.parametrize("answer", [never_answer, trickle])
async def test_an_answer_that_does_not_end_has_an_end(answer: Answer, website: FakeWebsite, fetcher: Fetcher) -> None:
    website.pages["/feed"] = answer
    assert (await failing(replace(fetcher, timeout_seconds=0.3), f"{website.url}/feed")).reason == "timeout"


async def test_what_follows_packed_content_is_neither_read_nor_kept(website: FakeWebsite, fetcher: Fetcher) -> None:
    async def append_endlessly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        await response.write(gzip.compress(b"<rss/>"))
        while True:
            await response.write(b" " * 65_536)

    website.pages["/feed"] = append_endlessly
    assert (await replace(fetcher, timeout_seconds=5).fetch(f"{website.url}/feed")).body == b"<rss/>"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:1/feed", "connection: nobody answers there (ConnectionRefusedError)"),
        ("http://website.invalid/feed", "connection: its name is not found"),
        ("{url}/gone", "status_404: Not Found"),
    ],
)
async def test_why_nothing_was_read_is_told(address: str, said: str, website: FakeWebsite, fetcher: Fetcher) -> None:
    failed = await failing(fetcher, address.format(url=website.url))
    assert (failed.reason, str(failed)) == (said.partition(":")[0], said)


async def test_a_certificate_that_is_not_trusted(fetcher: Fetcher, tmp_path: Path) -> None:
    async with run_tls_server(create_own_ca(tmp_path)) as url:
        failed = await failing(fetcher, url)
    said = "connection: its certificate is not trusted (unable to get local issuer certificate)"
    assert (failed.reason, str(failed)) == ("connection", said)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.2", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_a_redirect_to_an_internal_address_is_not_followed(
    host: str, website: FakeWebsite, fetcher: Fetcher
) -> None:
    port = website.url.rpartition(":")[2]
    website.pages["/feed"] = build_text_answer(b"", status=302, headers={"Location": f"http://{host}:{port}/secret"})
    website.pages["/secret"] = build_text_answer(b"<rss/>")
    # A number with too few dots is no address for the library, which then asks nobody either.
    assert (await failing(fetcher, f"{website.url}/feed")).reason in ("internal_address", "connection")
    assert [request.path for request in website.requests] == ["/feed"]


async def test_nor_is_a_configured_address_that_leads_inside(website: FakeWebsite) -> None:
    async with open_fetcher(None) as fetcher:
        failed = await failing(fetcher, f"{website.url}/feed")
        assert (await failing(fetcher, website.url.replace(LOOPBACK, "localhost"))).reason == "internal_address"
    assert (failed.reason, website.requests) == ("internal_address", [])
    assert "internal_hosts" in str(failed)


@dataclass
class Rebinding(AbstractResolver):
    """Another answer each time."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_name_with_an_internal_address_among_others_is_refused(website: FakeWebsite) -> None:
    resolver = Rebinding([["203.1.113.7", LOOPBACK]])
    async with open_fetcher(None, resolver=resolver) as fetcher:
        failed = await failing(fetcher, website.url.replace(LOOPBACK, "rebind.example") + "/feed")
    assert (failed.reason, website.requests) == ("internal_address", [])


async def test_the_connection_goes_to_the_address_that_was_checked(website: FakeWebsite) -> None:
    website.pages["/feed"] = build_text_answer(b"<rss/>")
    resolver = Rebinding([[LOOPBACK], ["127.0.0.2"]])
    async with open_fetcher(None, ("rebind.example",), resolver) as fetcher:
        fetched = await fetcher.fetch(website.url.replace(LOOPBACK, "rebind.example") + "/feed")
    assert (fetched.body, resolver.asked) == (b"<rss/>", ["rebind.example"])


@pytest.mark.parametrize(
    ("address", "internal"),
    [
        *((address, True) for address in ("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1")),
        *((address, True) for address in ("0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0")),
        *((address, True) for address in ("fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::")),
        *((address, False) for address in ("93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14")),
        *((address, True) for address in ("64:ff9b:1::c0a8:101", "64:ff9b:1::5db8:d70e", "fec0::1")),
        *((address, True) for address in ("::127.0.0.1", "::93.184.215.14", "::ffff:0:127.0.0.1")),
        ("64:ff9b::5db8:d70e", False),
    ],
)
def test_what_is_internal(address: str, internal: bool) -> None:
    assert is_internal(address) is internal


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
