"""A bug in the notices API is answered without details, and does not fill the log."""

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.ingress.notices.api import FAILURES, METRICS, convert_errors
from services.ingress.notices.metrics import NoticesApiMetrics
from shared.runtime.http_port import FailureLog


async def test_a_bug_that_clients_hit_again_and_again_is_logged_once() -> None:
    async def fail(_: web.Request) -> web.Response:
        raise ValueError("only for the log")

    app = web.Application(middlewares=[convert_errors])
    app[METRICS], app[FAILURES] = NoticesApiMetrics(CollectorRegistry()), FailureLog()
    app.router.add_get("/", fail)
    with capture_logs() as lines:
        async with TestClient(TestServer(app)) as client:
            answers = [await client.get("/") for _ in range(3)]
            texts = [await answer.text() for answer in answers]
    assert [answer.status for answer in answers] == [500] * 3
    assert "only for the log" not in "".join(texts)
    assert [line["cause"] for line in lines] == ["ValueError"]
