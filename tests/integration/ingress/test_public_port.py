"""Answers of the public port to strangers: hostile and broken requests are answered and counted, none fails."""

import gzip
import re
import zlib
from collections.abc import AsyncIterator

import pytest

from shared.contracts.inbound import InboundMessages
from tests.factories.webhooks import build_messages_body, build_text_message, sign
from tests.harness.ingress import VERIFY_TOKEN, IngressProcess
from tests.harness.ingress_queues import IngressQueues
from tests.integration.ingress.connections import build_head, open_connection, request
from tests.servers import wait_until_equal

LIMIT = 4 * 1024 * 1024
BODY = build_messages_body(build_text_message(1))
WRONG = "sha256=" + "0" * 64


async def handshake(ingress: IngressProcess, **parameters: str) -> tuple[int, str, str]:
    query = {f"hub.{name}": value for name, value in parameters.items()}
    async with ingress.session.get(f"{ingress.url}/webhook", params=query) as response:
        sniffing = response.headers.get("X-Content-Type-Options", "")
        assert response.content_type in ("text/plain", "application/octet-stream")
        return response.status, await response.text(), sniffing


async def test_the_handshake_echoes_the_challenge_as_plain_text(ingress: IngressProcess) -> None:
    answer = await handshake(ingress, mode="subscribe", verify_token=VERIFY_TOKEN, challenge="<b>1158201444")
    assert answer == (200, "<b>1158201444", "nosniff")


@pytest.mark.parametrize(
    "parameters",
    [
        {"mode": "subscribe", "verify_token": "token-of-somebody-else", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "tökén-\U0001f697", "challenge": "1"},
        {"mode": "unsubscribe", "verify_token": VERIFY_TOKEN, "challenge": "1"},
        {"verify_token": VERIFY_TOKEN, "challenge": "1"},
        {"mode": "subscribe", "verify_token": VERIFY_TOKEN, "challenge": "1" * 1001},
        {},
    ],
)
async def test_any_other_handshake_is_forbidden(ingress: IngressProcess, parameters: dict[str, str]) -> None:
    status, text, _ = await handshake(ingress, **parameters)
    assert (status, text) == (403, "")
    assert VERIFY_TOKEN not in ingress.log


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": WRONG},
        {"X-Hub-Signature-256": sign(BODY).upper()},
        {"X-Hub-Signature-256": sign(BODY).removeprefix("sha256=")},
        {"X-Hub-Signature-256": sign(BODY) + "0"},
        {"X-Hub-Signature-256": sign(BODY, "another secret")},
        {"X-Hub-Signature-256": sign(BODY + b" ")},
        {"X-Hub-Signature": sign(BODY)},
    ],
)
async def test_without_the_right_signature_nothing_is_stored_or_told(
    ingress: IngressProcess, queues: IngressQueues, headers: dict[str, str]
) -> None:
    before = await ingress.fetch_metric('kreisfunk_ingress_webhooks_total{result="unsigned"}')

    async with ingress.session.post(f"{ingress.url}/webhook", data=BODY, headers=headers) as response:
        assert response.status == 401
        assert await response.read() == b""
        assert sign(BODY)[7:] not in str(response.headers)

    assert await queues.take(InboundMessages) == []
    assert sign(BODY)[7:] not in ingress.log
    assert await ingress.fetch_metric('kreisfunk_ingress_webhooks_total{result="unsigned"}') == before + 1


async def test_four_mebibytes_are_read_and_one_byte_more_is_too_large(ingress: IngressProcess) -> None:
    largest = BODY.ljust(LIMIT)
    before = await ingress.fetch_metric('kreisfunk_ingress_webhooks_total{result="too_large"}')
    assert await ingress.post(largest) == 200
    assert await ingress.post(largest + b" ") == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield bytes(65536)

    headers = {"X-Hub-Signature-256": WRONG}
    async with ingress.session.post(f"{ingress.url}/webhook", data=chunks(), headers=headers) as response:
        assert response.status == 413
    assert await ingress.fetch_metric('kreisfunk_ingress_webhooks_total{result="too_large"}') == before + 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/livez", 404),
        ("GET", "/readyz", 404),
        ("GET", "/metrics", 404),
        ("POST", "/", 404),
        ("HEAD", "/webhook", 405),
        ("PUT", "/webhook", 405),
        ("DELETE", "/webhook", 405),
    ],
)
async def test_nothing_else_is_on_the_public_port(ingress: IngressProcess, method: str, path: str, status: int) -> None:
    async with ingress.session.request(method, ingress.url + path) as response:
        assert response.status == status


WRONG_HEADER = "X-Hub-Signature-256: " + WRONG
SIGNED = f"X-Hub-Signature-256: {sign(BODY)}"


async def webhooks(ingress: IngressProcess, result: str) -> float:
    return await ingress.fetch_metric(f'kreisfunk_ingress_webhooks_total{{result="{result}"}}')


async def others(ingress: IngressProcess, status: int) -> float:
    return await ingress.fetch_metric(f'kreisfunk_ingress_other_requests_total{{status="{status}"}}')


def assert_nothing_failed(ingress: IngressProcess) -> None:
    assert "Traceback" not in ingress.log
    assert '"level":"error"' not in ingress.log


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "gzip, chunked"])
@pytest.mark.parametrize("content", [b"garbage", BODY, gzip.compress(BODY), zlib.compress(BODY)])
async def test_an_encoded_body_is_refused_whatever_it_holds(
    ingress: IngressProcess, queues: IngressQueues, encoding: str, content: bytes
) -> None:
    before = await webhooks(ingress, "encoded")
    headers = {"X-Hub-Signature-256": sign(content), "Content-Encoding": encoding}

    assert await ingress.post_with(content, headers) == 415

    assert await webhooks(ingress, "encoded") == before + 1
    assert await queues.take(InboundMessages) == []
    assert_nothing_failed(ingress)


@pytest.mark.parametrize("header", ["X-Other: 1", "X-Hub-Signature-256: sha256=zz", SIGNED.upper()])
async def test_without_a_well_formed_signature_the_answer_does_not_wait_for_the_body(
    ingress: IngressProcess, header: str
) -> None:
    answer = await request(ingress.url, build_head(LIMIT, header))
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(("header", "status"), [("X-Other: 1", b"401"), (WRONG_HEADER, b"100")])
async def test_only_a_client_with_a_signature_is_invited_to_send_its_body(
    ingress: IngressProcess, header: str, status: bytes
) -> None:
    answer = await request(ingress.url, build_head(LIMIT, header, "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 %b " % status)


async def test_a_client_that_asks_first_is_heard(ingress: IngressProcess, queues: IngressQueues) -> None:
    async with open_connection(ingress.url) as connection:
        await connection.send(build_head(len(BODY), SIGNED, "Expect: 100-Continue"))
        assert (await connection.read_answer()).startswith(b"HTTP/1.1 100 ")
        await connection.send(BODY)
        assert (await connection.read_answer()).startswith(b"HTTP/1.1 200 ")
    assert len(await queues.take(InboundMessages)) == 1


@pytest.mark.parametrize("size", [1000, None])
async def test_a_client_that_goes_away_before_the_end_of_its_body_is_counted(
    ingress: IngressProcess, size: int | None
) -> None:
    before = await webhooks(ingress, "vanished")
    for _ in range(20):
        async with open_connection(ingress.url) as connection:
            await connection.send(build_head(size, WRONG_HEADER))
    await wait_until_equal(lambda: webhooks(ingress, "vanished"), before + 20)
    assert_nothing_failed(ingress)


async def test_a_client_that_goes_away_after_its_refusal_is_no_failure(ingress: IngressProcess) -> None:
    for _ in range(20):
        async with open_connection(ingress.url) as connection:
            await connection.send(build_head(LIMIT, "X-Other: 1"))
            await connection.read_answer()
            await connection.send(b"x")
    assert await ingress.is_ready()
    assert_nothing_failed(ingress)


async def test_a_client_that_waits_for_no_answer_is_cut_off(ingress: IngressProcess) -> None:
    before = await others(ingress, 400)
    async with open_connection(ingress.url) as connection:
        await connection.send(b"GET /webhook HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        assert await connection.reader.read() == b""
    assert await others(ingress, 400) == before + 1
    assert_nothing_failed(ingress)


async def test_a_client_that_waits_for_each_answer_keeps_its_connection(
    ingress: IngressProcess, queues: IngressQueues
) -> None:
    async with open_connection(ingress.url) as connection:
        for _ in range(3):
            await connection.send(build_head(len(BODY), SIGNED) + BODY)
            assert (await connection.read_answer()).startswith(b"HTTP/1.1 200 ")
    assert [len(group.messages) for group in await queues.take(InboundMessages)] == [1, 1, 1]


async def test_a_body_that_is_not_transferred_correctly_is_refused_and_counted(ingress: IngressProcess) -> None:
    before = await webhooks(ingress, "malformed") + await others(ingress, 400)
    for piece in (b"zz\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n"):
        async with open_connection(ingress.url) as connection:
            await connection.send(build_head(None, WRONG_HEADER))
            await connection.send(piece)
            assert b" 400 " in await connection.read_answer()
    assert await webhooks(ingress, "malformed") + await others(ingress, 400) == before + 3
    assert_nothing_failed(ingress)


CHUNKED = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
LENGTH = f"Content-Length: {len(BODY)}"
FRAMINGS = {
    "length and chunks": build_head(None, SIGNED, LENGTH) + CHUNKED + b"\r\n",
    "two lengths": build_head(len(BODY), SIGNED, "Content-Length: 1") + BODY,
    "a length that is no number": build_head(None, SIGNED).replace(
        b"Transfer-Encoding: chunked", b"Content-Length: +1"
    ),
    "chunked twice": build_head(None, SIGNED, "Transfer-Encoding: chunked") + CHUNKED + b"\r\n",
    "another coding": build_head(None, SIGNED).replace(b"chunked", b"xchunked") + CHUNKED + b"\r\n",
    "a space before the colon": build_head(len(BODY), SIGNED.replace(":", " :")) + BODY,
    "a folded header": build_head(len(BODY), SIGNED.replace(": ", ":\r\n ")) + BODY,
    "bare line feeds": build_head(len(BODY), SIGNED).replace(b"\r\n", b"\n") + BODY,
    "chunks between bare line feeds": build_head(None, SIGNED) + CHUNKED.replace(b"\r\n", b"\n") + b"\n",
    "a sign before a size": build_head(None, SIGNED) + b"+" + CHUNKED + b"\r\n",
    "two hosts": build_head(len(BODY), SIGNED, "Host: y") + BODY,
}


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=FRAMINGS)
async def test_what_a_proxy_might_read_otherwise_is_refused(
    ingress: IngressProcess, queues: IngressQueues, data: bytes
) -> None:
    answer = await request(ingress.url, data)
    assert (answer.split()[1], await queues.take(InboundMessages)) == (b"400", [])


async def test_a_signature_after_the_body_is_none(ingress: IngressProcess, queues: IngressQueues) -> None:
    for header in ("Trailer: X-Hub-Signature-256", WRONG_HEADER):
        answer = await request(ingress.url, build_head(None, header) + CHUNKED + SIGNED.encode() + b"\r\n\r\n")
        assert (answer.split()[1], await queues.take(InboundMessages)) == (b"401", [])


@pytest.mark.parametrize("beginning", [b"", b"1\r\nx\r\n" * 2_000], ids=["alone", "together with its head"])
@pytest.mark.parametrize(
    "piece", [b"1\r\nx\r\n", b"1;" + b"x" * 60 + b"\r\nx\r\n"], ids=["tiny chunks", "chunks of extensions"]
)
async def test_a_body_that_is_little_but_framing_is_given_up(
    ingress: IngressProcess, piece: bytes, beginning: bytes
) -> None:
    before = await webhooks(ingress, "malformed")
    async with open_connection(ingress.url) as connection:
        await connection.send(build_head(None, WRONG_HEADER) + beginning)
        await connection.send(piece * (256 * 1024 // len(piece)))
        assert (await connection.read_answer()).startswith(b"HTTP/1.1 400 ")
    assert await webhooks(ingress, "malformed") == before + 1


async def test_a_body_in_small_chunks_is_heard(ingress: IngressProcess, queues: IngressQueues) -> None:
    body = build_messages_body(*(build_text_message(number, "Stop" * 100) for number in range(500)))
    chunks = b"".join(b"40\r\n%b\r\n" % body[start : start + 64] for start in range(0, len(body) // 64 * 64, 64))
    rest = body[len(body) // 64 * 64 :]
    async with open_connection(ingress.url) as connection:
        await connection.send(build_head(None, f"X-Hub-Signature-256: {sign(body)}") + chunks)
        await connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest) if rest else b"0\r\n\r\n")
        assert (await connection.read_answer()).startswith(b"HTTP/1.1 200 ")
    assert sum(len(group.messages) for group in await queues.take(InboundMessages)) == 500


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /webhook HTTP/9.9\r\n\r\n", 400),
        (b"\x16\x03\x01secretword\r\n\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\nHost: x\r\nBad Header secretword\r\n\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\nsecretword\x00: x\r\n\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\nX: " + b"secretword" * 1000 + b"\r\n\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\n" + b"X: secretword\r\n" * 200 + b"\r\n", 400),
        (b"GET /" + b"secretword" * 1000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /secretword HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /webhook?hub.mode=subscribe&hub.verify_token=secretword HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        (build_head(1, "Expect: secretword"), 401),
        (b"GET /webhook HTTP/1.1\r\nHost: x\r\nExpect: secretword\r\n\r\n", 417),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: secretword\r\n\r\n", 417),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: \xffsecretword\r\n\r\n", 417),
    ],
)
async def test_no_answer_echoes_the_request_or_names_the_software(
    ingress: IngressProcess, data: bytes, status: int
) -> None:
    before = await others(ingress, status) if status != 401 else 0.0
    async with open_connection(ingress.url) as connection:
        await connection.send(data)
        answer = await connection.read_answer()
        size = re.search(rb"Content-Length: (\d+)", answer)
        answer += await connection.reader.readexactly(int(size[1]) if size else 0)

    assert answer.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))
    assert b"secretword" not in answer
    assert b"\r\nServer: kreisfunk\r\n" in answer
    assert not re.search(rb"aiohttp|python", answer, re.IGNORECASE)
    assert (await others(ingress, status) if status != 401 else 1.0) == before + 1
    assert "secretword" not in ingress.log
    assert_nothing_failed(ingress)
