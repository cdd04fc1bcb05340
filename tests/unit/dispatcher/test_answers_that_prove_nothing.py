"""Answers after which Meta, or whoever passes the request on, may have the message: it is not sent again at once."""

import asyncio
import base64
import json

import aiohttp
import pytest

from deploy.local.ports import LOOPBACK
from services.dispatcher.adapters.graph_api import GraphApi
from services.dispatcher.domain.send_results import Accepted, NoResponse, SendResult
from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.post_client import HttpAnswer, PostClient

KEY = base64.b64encode(bytes(32)).decode()
URL = f"http://{LOOPBACK}:1/"
RESET = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"
ACCEPTANCE = json.dumps({"messages": [{"id": "wamid.1"}]}).encode()
SOMETHING_ELSE = b"<html>queued</html>"


async def interpret(status: int, body: bytes) -> SendResult:
    answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
    answered.set_result(HttpAnswer(status, {}, body))
    async with aiohttp.ClientSession() as session:
        client = PostClient(URL, headers={}, late_seconds=1)
        api = GraphApi(client, KeyRing.parse(f"1:{KEY}"), BlindIndexKey.parse(KEY), session, URL)
        return api.answer(answered)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    ("body", "result"), [(ACCEPTANCE, Accepted), (SOMETHING_ELSE, NoResponse)], ids=["with an id", "without"]
)
async def test_after_a_success_of_any_number_a_message_is_not_sent_again(
    status: int, body: bytes, result: type[SendResult]
) -> None:
    assert isinstance(await interpret(status, body), result)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_after_an_error_of_a_gateway_a_message_is_not_sent_again(status: int) -> None:
    """Envoy answers 503 also if the connection broke after it had passed the request on."""
    assert isinstance(await interpret(status, RESET), NoResponse)
