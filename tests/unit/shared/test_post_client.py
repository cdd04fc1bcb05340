"""A server's bytes, in any pieces, are the answer to the request that they belong to, or to none."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.ports import LOOPBACK
from shared.runtime import post_client
from shared.runtime.post_client import (
    MAX_ANSWER_BYTES,
    BrokenAnswerError,
    ConnectedLateError,
    ConnectError,
    HttpAnswer,
    PostClient,
    WithheldError,
)
from tests.own_ca import create_own_ca, run_tls_server
from tests.servers import wait_for

HEADERS = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
PATIENT_SECONDS = 5.0


@dataclass
class ScriptedServer:
    """Writes the pieces of one script for each request, then closes if it says so; keeps what it received."""

    port: int = 0
    scripts: list[tuple[Sequence[bytes], bool]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                pieces, closes = self.scripts.pop(0)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def scripted(
    *scripts: tuple[Sequence[bytes], bool], late_seconds: float = PATIENT_SECONDS
) -> AsyncIterator[tuple[PostClient, ScriptedServer]]:
    server = ScriptedServer(scripts=list(scripts))
    async with await asyncio.start_server(server.serve, LOOPBACK, 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        client = PostClient(
            f"http://{LOOPBACK}:{server.port}/v1/7/messages", headers=HEADERS, late_seconds=late_seconds
        )
        try:
            yield client, server
        finally:
            client.close()


async def post(client: PostClient, body: bytes = b"{}") -> HttpAnswer:
    async with asyncio.timeout(PATIENT_SECONDS):
        return await client.post(body, lambda: True)


def sized(body: bytes, status: int = 200, *lines: bytes) -> bytes:
    head = b"".join((b"HTTP/1.1 %d Status\r\n" % status, *lines, b"Content-Length: %d\r\n\r\n" % len(body)))
    return head + body


def chunked(body: bytes, status: int) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part)
    return b"HTTP/1.1 %d Status\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (status, chunks)


def until_closed(body: bytes, status: int) -> bytes:
    return b"HTTP/1.1 %d Status\r\nServer: proxy\r\n\r\n%b" % (status, body)


Framing = Callable[[bytes, int], bytes]
FRAMINGS: Sequence[tuple[Framing, bool]] = (
    (sized, False),
    (chunked, False),
    (until_closed, True),
)


@st.composite
def pieces_of(draw: st.DrawFn, whole: bytes) -> Sequence[bytes]:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(whole) - 1)), max_size=4)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@given(data=st.data(), status=st.sampled_from([200, 400, 429, 503]), body=st.binary(max_size=60), interim=st.booleans())
async def test_an_answer_in_any_pieces_and_framing_is_that_answer(
    data: st.DataObject, status: int, body: bytes, interim: bool
) -> None:
    frame, closes = data.draw(st.sampled_from(FRAMINGS))
    pieces = data.draw(pieces_of((INTERIM if interim else b"") + frame(body, status)))
    last = [sized(b"last")]
    async with scripted((pieces, closes), (last, False)) as (client, server):
        answer = await post(client)
        assert (answer.status, answer.body) == (status, body)
        assert (await post(client)).body == b"last"
        assert server.connections in {1 + closes, 1 + 2 * closes}  # a spare one, if it was not open in time


@given(data=st.data(), body=st.binary(min_size=1, max_size=60), is_chunked=st.booleans())
async def test_an_answer_that_breaks_off_is_none(data: st.DataObject, body: bytes, is_chunked: bool) -> None:
    whole = chunked(body, 200) if is_chunked else sized(body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    async with scripted(([whole[:cut]], True)) as (client, _):
        with pytest.raises(BrokenAnswerError):
            await post(client)


@pytest.mark.parametrize("rest", [sized(b"stale"), b"HTTP/1.1 200", b"garbage"])
async def test_an_answer_that_nobody_asked_for_is_nobodys(rest: bytes) -> None:
    async with scripted(([sized(b"first") + rest], False), ([sized(b"second")], False)) as (client, server):
        assert (await post(client)).body == b"first"
        assert (await post(client)).body == b"second"
        assert server.connections > 1


@pytest.mark.parametrize(
    "written",
    [
        b"SSH-2.0-OpenSSH_10\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx",
        INTERIM * 9000,
    ],
)
async def test_what_is_no_answer_is_none(written: bytes) -> None:
    async with scripted(([written], True)) as (client, _):
        with pytest.raises(BrokenAnswerError):
            await post(client)


@pytest.mark.parametrize("frame", [sized, chunked, until_closed])
async def test_of_an_endless_body_only_the_beginning_is_read(frame: Framing) -> None:
    async with scripted(([frame(b"x" * 9 * MAX_ANSWER_BYTES, 404)], False), ([sized(b"next")], False)) as (client, _):
        answer = await post(client)
        assert (answer.status, answer.body[:1], len(answer.body) <= MAX_ANSWER_BYTES) == (404, b"x", True)
        assert (await post(client)).body == b"next"


async def test_a_request_says_what_it_is_and_headers_come_in_small_letters() -> None:
    async with scripted(([sized(b"", 429, b"Retry-AFTER: 7\r\n")], False)) as (client, server):
        answer = await post(client, b'{"a":1}')
        assert answer.headers[b"retry-after"] == b"7"
        (request,) = server.requests
        head = f"POST /v1/7/messages HTTP/1.1\r\nHost: {LOOPBACK}:{server.port}\r\nAuthorization: Bearer secret\r\n"
        assert request.startswith(head.encode())
        assert request.endswith(b'\r\n\r\n{"a":1}')


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        PostClient("http://localhost/", headers={"Authorization": "Bearer a\r\nb: c"}, late_seconds=1)


async def test_a_request_that_may_not_leave_is_not_written_and_its_connection_is_kept() -> None:
    async with scripted(([sized(b"")], False)) as (client, server):
        with pytest.raises(WithheldError):
            await client.post(b"{}", lambda: False)
        await post(client)
        assert (len(server.requests), server.connections) == (1, 1)


async def test_after_a_connection_that_was_late_the_next_request_leaves_on_it() -> None:
    async with scripted(([sized(b"")], False), late_seconds=0.0) as (client, server):
        with pytest.raises(ConnectedLateError):
            await post(client)
        await post(client)
        assert (len(server.requests), server.connections) == (1, 1)


async def test_where_each_answer_ends_a_connection_the_next_request_leaves_on_a_spare_one() -> None:
    ending = ([sized(b"", 200, b"Connection: close\r\n")], True)
    async with scripted(ending, ending, ending, late_seconds=0.0) as (client, server):
        with pytest.raises(ConnectedLateError):
            await post(client)
        for number in range(1, 4):
            await wait_for(partial(has_connections, client, server, number))
            await post(client)


async def has_connections(client: PostClient, server: ScriptedServer, count: int) -> bool:
    return server.connections == count and not client._spares  # the last one is open on both sides


async def test_the_answer_to_a_request_that_was_given_up_is_nobodys() -> None:
    async with scripted(([], False), ([sized(b"second")], False)) as (client, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.post(b"{}", lambda: True)
        assert (await post(client)).body == b"second"
        assert server.connections == 2


async def test_a_connection_that_the_server_ends_or_that_is_old_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ending = sized(b"", 200, b"Connection: close\r\n")
    async with scripted(([ending], False), ([sized(b"")], False), ([sized(b"")], False)) as (client, server):
        await post(client)
        await post(client)
        used = server.connections
        monkeypatch.setattr(post_client, "KEEPALIVE_TIMEOUT_SECONDS", 0.0)
        await post(client)
        assert used >= 2
        assert server.connections > used


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://nowhere.invalid/", r"gaierror: \w+"), (f"http://{LOOPBACK}:1/", "ConnectionRefusedError")],
)
async def test_without_a_connection_nothing_was_written_and_the_cause_is_named(url: str, reason: str) -> None:
    with pytest.raises(ConnectError, match=reason):
        await post(PostClient(url, headers=HEADERS, late_seconds=1))


async def test_who_speaks_no_tls_is_not_reached() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sized(b"", 400))
        writer.close()

    async with await asyncio.start_server(speak, LOOPBACK, 0) as listening:
        url = f"https://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}/"
        with pytest.raises(ConnectError, match=r"^SSLError: [A-Z_]+$"):
            await post(PostClient(url, headers=HEADERS, late_seconds=1))


async def test_a_ca_of_the_county_is_trusted_once_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the operators' guide says."""
    ca = create_own_ca(tmp_path)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with run_tls_server(ca) as url:
        with pytest.raises(ConnectError, match="SSLCertVerificationError: unable to get local issuer"):
            await post(PostClient(url, headers=HEADERS, late_seconds=PATIENT_SECONDS))
        monkeypatch.setenv("SSL_CERT_FILE", str(ca.authority))
        assert (await post(PostClient(url, headers=HEADERS, late_seconds=PATIENT_SECONDS))).body == b"{}"
