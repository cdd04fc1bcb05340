"""Requests that pass the edge, and requests that do not."""

import asyncio
import ssl
from io import BytesIO
from pathlib import Path

import pytest
from yarl import URL

from deploy.local.ports import LOOPBACK, reserve_ports
from tests.e2e.edge.conftest import Edge, run_caddy
from tests.factories.webhooks import build_messages_body, build_text_message, sign
from tests.harness.ingress import VERIFY_TOKEN, IngressProcess

HANDSHAKE = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": VERIFY_TOKEN}
ACCEPTED = 'kreisfunk_ingress_webhooks_total{result="accepted"}'


async def post(edge: Edge, body: bytes, headers: dict[str, str] | None = None) -> int:
    signed = {"X-Hub-Signature-256": sign(body), **(headers or {})}
    async with edge.session.post(f"{edge.url}/webhook", data=BytesIO(body), headers=signed) as answer:
        return answer.status


async def count_requests(ingress: IngressProcess) -> float:
    """Whatever reached the ingress, by its own counters, but for bodies that the edge cut off, as those end late."""
    lines = (await ingress.fetch_metrics()).splitlines()
    names = ("kreisfunk_ingress_webhooks_total{", "kreisfunk_ingress_other_requests_total{")
    counted = (line for line in lines if line.startswith(names) and 'result="vanished"' not in line)
    return sum(float(line.rpartition(" ")[2]) for line in counted)


async def test_a_signed_webhook_arrives_as_it_was_sent(edge: Edge) -> None:
    """The signature covers the bytes, so the smallest change would be answered with 401."""
    assert await post(edge, build_messages_body(build_text_message(1, "Straße gesperrt \U0001f697"))) == 200


async def test_what_meta_sends_at_most_passes_and_more_does_not(edge: Edge, ingress: IngressProcess) -> None:
    """The ingress itself would still take the larger one."""
    assert await post(edge, build_messages_body(build_text_message(2, "x" * 3_000_000))) == 200
    accepted = await ingress.fetch_metric(ACCEPTED)
    assert await post(edge, build_messages_body(build_text_message(3, "x" * 4_000_000))) in (413, 502)
    assert await ingress.fetch_metric(ACCEPTED) == accepted


async def test_a_client_without_a_signature_is_refused_by_the_ingress(edge: Edge) -> None:
    async with edge.session.post(f"{edge.url}/webhook", data=b"{}") as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/livez"),
        ("GET", "/webhook/"),
        ("GET", "/webhook/../metrics"),
        ("GET", "/webhook%2F..%2Fmetrics"),
        ("POST", "/notices"),
        ("POST", "/webhook.json"),
        ("PUT", "/webhook"),
        ("DELETE", "/webhook"),
        ("OPTIONS", "/webhook"),
    ],
)
async def test_nothing_else_passes(edge: Edge, ingress: IngressProcess, method: str, path: str) -> None:
    before = await count_requests(ingress)
    async with edge.session.request(method, URL(edge.url + path, encoded=True)) as answer:
        assert answer.status == 404
    assert await count_requests(ingress) == before


async def test_without_tls_nothing_passes(edge: Edge, ingress: IngressProcess) -> None:
    before = await count_requests(ingress)
    async with edge.session.post(f"{edge.plain_url}/webhook", data=b"{}", allow_redirects=False) as answer:
        assert answer.status in (308, 404)
    assert await count_requests(ingress) == before


async def test_a_client_that_never_ends_its_request_is_let_go(edge: Edge) -> None:
    """Caddy itself would wait for a minute."""
    address = URL(edge.url)
    context = ssl.create_default_context(cafile=str(edge.ca.authority))
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    writer.write(f"POST /webhook HTTP/1.1\r\nHost: {address.authority}\r\nContent-".encode())
    async with asyncio.timeout(30):
        await reader.read()
    writer.close()


async def test_the_proxy_writes_no_verify_token(edge: Edge) -> None:
    async with edge.session.get(f"{edge.url}/webhook", params=HANDSHAKE) as answer:
        assert (answer.status, await answer.text()) == (200, "1158201444")
    assert VERIFY_TOKEN not in edge.log.read_text()


async def test_a_handshake_that_no_ingress_answers_is_logged_without_its_verify_token(
    edge: Edge, tmp_path: Path
) -> None:
    with reserve_ports(1) as [port]:
        async with (
            run_caddy(tmp_path, edge.ca, f"http://{LOOPBACK}:{port}", edge.session) as alone,
            edge.session.get(f"{alone.url}/webhook", params=HANDSHAKE) as answer,
        ):
            assert answer.status == 502
    written = alone.log.read_text()
    assert f"{LOOPBACK}:{port}: connect: connection refused" in written
    assert VERIFY_TOKEN not in written
