"""Answers of the public port to strangers and to oversized or broken requests."""

from collections.abc import AsyncIterator

import pytest

from shared.contracts.inbound import InboundMessages
from tests.factories.webhooks import build_messages_body, build_text_message, sign
from tests.harness.ingress import VERIFY_TOKEN, IngressProcess
from tests.harness.ingress_queues import IngressQueues

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
