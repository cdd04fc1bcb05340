"""An API that does what its document does not say is found by the client that the tests have."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tests.contract_recorder.coverage import SEEN
from tests.contract_recorder.openapi_session import NotDescribedError, trace_contract
from tests.harness.notices_api import STRUCTURED, data, event

RESULT = {"id": "1", "source": "/a", "event": "/events/0", "notice": "n"}
PROGRESS = {**RESULT, "state": "received", "changed_at": "2026-01-01T00:00:00Z"}
PROBLEM = {"type": "/docs#invalid", "title": "Invalid", "status": 422, "detail": "x"}
FOLLOWED = f"/events/{'0' * 32}"


@dataclass
class FakeNoticesApi:
    """Answers whatever it is told to."""

    session: ClientSession = field(init=False)
    url: str = ""
    status: int = 202
    media: str = "application/json"
    answer: object = field(default_factory=lambda: RESULT)
    headers: Mapping[str, str] = field(default_factory=dict)

    async def handle(self, _: web.Request) -> web.Response:
        body = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return web.Response(status=self.status, text=body, content_type=self.media, headers=self.headers)

    async def ask(self, method: str, path: str, content: object = None, **headers: str) -> None:
        body = None if content is None else json.dumps(content)
        async with self.session.request(method, self.url + path, data=body, headers=headers) as response:
            await response.read()

    async def publish(self, content: object, media: str = STRUCTURED, **headers: str) -> None:
        await self.ask("POST", "/notices", content, **{"Content-Type": media}, **headers)

    def will(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeNoticesApi]:
    monkeypatch.setattr(SEEN, "counts", Counter())  # this is none of the APIs that have to be seen
    api = FakeNoticesApi()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(application) as server:
        api.url = f"http://{server.host}:{server.port}"
        async with ClientSession(trace_configs=[trace_contract(api.url)]) as api.session:
            yield api


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 201}, "this status is not described"),
        ({"answer": {**RESULT, "notice": 7}}, "not valid"),
        ({"media": "text/plain"}, "text/plain is not described"),
        ({"status": 422, "answer": PROBLEM}, "application/json is not described"),
        ({"status": 422, "media": "application/problem+json", "answer": {**PROBLEM, "status": "422"}}, "status: "),
        ({"status": 429, "media": "application/problem+json", "answer": PROBLEM}, "without Retry-After"),
    ],
)
async def test_an_answer_that_is_not_is_found(api: FakeNoticesApi, answer: dict[str, Any], told: str) -> None:
    api.will(**answer)
    with pytest.raises(NotDescribedError, match=told):
        await api.publish(event(data=data()))


async def test_what_is_accepted_must_be_described(api: FakeNoticesApi) -> None:
    with pytest.raises(NotDescribedError, match="accepted, but"):
        await api.publish(event(data=data(), expirytime=None))
    with pytest.raises(NotDescribedError, match="accepted text/plain"):
        await api.publish(event(data=data()), "text/plain")


async def test_each_message_of_a_stream_is_looked_at(api: FakeNoticesApi) -> None:
    lines = f"id: 1\nevent: received\ndata: {json.dumps(PROGRESS)}\n\n"
    api.will(status=200, media="text/event-stream", answer=lines)
    await api.ask("GET", FOLLOWED)
    api.will(answer=lines.replace('"received"', '"lost"'))
    with pytest.raises(NotDescribedError, match="lost"):
        await api.ask("GET", FOLLOWED)
