"""How the client of the door takes answers that a door gives seldom: from a real HTTP server that gives them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from cli.publish.notices_api import ApiRequest, NoticesApiClient, NoticesApiError, open_notices_api
from tests.servers import WAIT_TIMEOUT_SECONDS

TOKEN = SecretStr("kreisfunk_only-for-tests")


@dataclass
class Answering:
    """A server that gives these answers in turn, the last one again and again, and knows who asked."""

    answers: Sequence[Callable[[], web.Response]]
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Authorization", ""), await request.read()))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]()


@asynccontextmanager
async def door_of(*answers: Callable[[], web.Response]) -> AsyncIterator[tuple[NoticesApiClient, Answering]]:
    answering = Answering(answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering.handle)
    async with TestServer(app) as server, open_notices_api(str(server.make_url("")).rstrip("/"), TOKEN) as door:
        yield door, answering


def busy(status: int, seconds: str = "1") -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, headers={"Retry-After": seconds})


def fine() -> web.Response:
    return web.Response(status=202, body=b"{}")


@pytest.mark.parametrize("status", [429, 503])
async def test_what_passes_is_asked_again_with_the_same_request(status: int) -> None:
    async with door_of(busy(status), fine) as (door, answering):
        reply = await door.request(
            ApiRequest(path="/notices", method="POST", body=b"same"), seconds=WAIT_TIMEOUT_SECONDS
        )
    assert reply.status == 202
    assert answering.asked == [("/notices", f"Bearer {TOKEN.get_secret_value()}", b"same")] * 2


async def test_who_cannot_wait_that_long_is_told_how_long() -> None:
    async with door_of(busy(503, "120")) as (door, answering):
        with pytest.raises(NoticesApiError) as failed:
            await door.request(ApiRequest(path="/notices"), seconds=WAIT_TIMEOUT_SECONDS)
    assert "120 s" in failed.value.advice
    assert len(answering.asked) == 1


async def test_a_date_in_retry_after_is_not_trusted() -> None:
    async with door_of(busy(429, "Wed, 25 Nov 2099 12:00:00 GMT"), fine) as (door, _):
        assert (await door.request(ApiRequest(path="/notices"), seconds=WAIT_TIMEOUT_SECONDS)).status == 202


async def test_a_redirect_is_not_followed_and_the_token_stays() -> None:
    async with door_of(lambda: web.Response(status=307, headers={"Location": "/elsewhere"})) as (door, answering):
        reply = await door.request(ApiRequest(path="/notices"), seconds=WAIT_TIMEOUT_SECONDS)
        assert "redirects to another address" in str(door.build_error(reply))
    assert [path for path, _, _ in answering.asked] == ["/notices"]


async def test_an_answer_without_end_is_not_read() -> None:
    async with door_of(lambda: web.Response(body=b" " * 2_000_000)) as (door, _):
        with pytest.raises(NoticesApiError, match="more than the notices API does"):
            await door.request(ApiRequest(path="/notices"), seconds=WAIT_TIMEOUT_SECONDS)
