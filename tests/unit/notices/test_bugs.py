"""A bug in the notices API is answered without details, and does not fill the log."""

from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.ingress.notices.api import NoticesHandlers
from services.ingress.notices.metrics import NoticesApiMetrics


async def test_a_bug_that_clients_hit_again_and_again_is_logged_once() -> None:
    bug: Any = None  # in the place of every part
    metrics = NoticesApiMetrics(CollectorRegistry())
    handlers = NoticesHandlers(authenticator=bug, publish_service=bug, feed=bug, metrics=metrics, proxies=())
    with capture_logs() as lines:
        async with TestClient(TestServer(handlers.build_app())) as client:
            answers = [await client.get("/notices") for _ in range(3)]
            texts = [await answer.text() for answer in answers]
    assert [answer.status for answer in answers] == [500] * 3
    assert "NoneType" not in "".join(texts)
    assert [line["cause"] for line in lines] == ["AttributeError"]
