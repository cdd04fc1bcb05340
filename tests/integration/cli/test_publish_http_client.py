"""Rare answers of the notices API, given to its client by a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from cli.publish.notices_api import NoticesApiClient, NoticesApiError
from shared.runtime.notices_api import open_notices_api
from tests.harness.commands import run_in_process
from tests.integration.cli.notice_responder import access
from tests.servers import WAIT_TIMEOUT_SECONDS

TOKEN = "kreisfunk_only-for-tests"
NOTICE = ("/notices", b"same")
CHECK = ("/notices/check", b"same")
UNCERTAIN = "It may or may not have the notice."
Answer = Callable[[], web.Response] | None


@dataclass
class Answering:
    """A server that gives these answers in turn, the last one again and again, and knows who asked.

    None ends the connection without an answer.
    """

    answers: Sequence[Answer]
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Authorization", ""), await request.read()))
        self.heard.set()
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer()


def serve(answering: Answering) -> TestServer:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering.handle)
    return TestServer(app)


@asynccontextmanager
async def connect_client(server: BaseTestServer) -> AsyncIterator[NoticesApiClient]:
    url = str(server.make_url(""))
    async with open_notices_api(url, TOKEN) as api:
        yield NoticesApiClient(url, api)


@asynccontextmanager
async def open_client(*answers: Answer) -> AsyncIterator[tuple[NoticesApiClient, Answering]]:
    answering = Answering(answers)
    async with serve(answering) as server, connect_client(server) as client:
        yield client, answering


def busy(status: int, seconds: str = "1") -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, headers={"Retry-After": seconds})


def fine() -> web.Response:
    return web.Response(status=202, body=b"{}")


@pytest.mark.parametrize("status", [429, 503])
async def test_what_passes_is_asked_again_with_the_same_request(status: int) -> None:
    async with open_client(busy(status), fine) as (client, answering):
        reply = await client.request(*NOTICE, seconds=WAIT_TIMEOUT_SECONDS)
    assert reply.status == 202
    assert answering.asked == [("/notices", f"Bearer {TOKEN}", b"same")] * 2


async def test_who_cannot_wait_that_long_is_told_how_long() -> None:
    async with open_client(busy(503, "120")) as (client, answering):
        with pytest.raises(NoticesApiError) as failed:
            await client.request("/notices", seconds=WAIT_TIMEOUT_SECONDS)
    assert "120 s" in failed.value.advice
    assert len(answering.asked) == 1


async def test_a_date_in_retry_after_is_not_trusted() -> None:
    async with open_client(busy(429, "Wed, 25 Nov 2099 12:00:00 GMT"), fine) as (client, _):
        assert (await client.request("/notices", seconds=WAIT_TIMEOUT_SECONDS)).status == 202


async def test_a_redirect_is_not_followed_and_the_token_stays() -> None:
    async with open_client(lambda: web.Response(status=307, headers={"Location": "/elsewhere"})) as (client, answering):
        reply = await client.request("/notices", seconds=WAIT_TIMEOUT_SECONDS)
        assert "redirects to another address" in str(client.build_error(reply))
    assert [path for path, _, _ in answering.asked] == ["/notices"]


async def test_an_answer_without_end_is_not_read() -> None:
    async with open_client(lambda: web.Response(body=b" " * 2_000_000)) as (client, _):
        with pytest.raises(NoticesApiError, match="longer answer than the notices API"):
            await client.request("/notices", seconds=WAIT_TIMEOUT_SECONDS)


async def test_a_try_without_an_answer_is_repeated_and_the_answer_counts() -> None:
    async with open_client(None, fine) as (client, answering):
        assert (await client.request(*NOTICE, seconds=WAIT_TIMEOUT_SECONDS)).status == 202
    assert len(answering.asked) == 2


@pytest.mark.parametrize("status", [401, 429, 502, 503])
async def test_after_a_try_without_an_answer_no_other_answer_says_that_nothing_was_published(status: int) -> None:
    async with open_client(None, busy(status, "120")) as (client, _):
        with pytest.raises(NoticesApiError, match="gave no answer") as failed:
            await client.request(*NOTICE, seconds=WAIT_TIMEOUT_SECONDS)
    assert failed.value.advice.startswith(UNCERTAIN)


async def test_after_a_try_without_an_answer_an_api_that_is_gone_does_not_say_that_nothing_was_published() -> None:
    answering = Answering([None])
    async with serve(answering) as server, connect_client(server) as client:
        asking = asyncio.create_task(client.request(*NOTICE, seconds=WAIT_TIMEOUT_SECONDS))
        await answering.heard.wait()
        await server.close()
        with pytest.raises(NoticesApiError, match="gave no answer") as failed:
            await asking
    assert failed.value.advice.startswith(UNCERTAIN)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_of_the_server_does_not_say_that_nothing_was_published(status: int) -> None:
    async with open_client(busy(status, "120")) as (client, _):
        with pytest.raises(NoticesApiError) as failed:
            await client.request(*NOTICE, seconds=WAIT_TIMEOUT_SECONDS)
    assert failed.value.advice.startswith(UNCERTAIN)


async def test_a_check_that_gets_no_answer_says_that_nothing_was_published() -> None:
    async with open_client(None) as (client, _):
        with pytest.raises(NoticesApiError, match="gave no answer") as failed:
            await client.request(*CHECK, seconds=0)
    assert failed.value.advice.startswith("Nothing was published.")


async def test_a_rejection_after_a_try_without_an_answer_is_the_answer() -> None:
    async with open_client(None, busy(422)) as (client, _):
        assert (await client.request(*NOTICE, seconds=WAIT_TIMEOUT_SECONDS)).status == 422


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (
            ("publish", "--topic", "stellen", "--headline", "H", "--text", "T"),
            "`kreisfunk withdraw --notice {} --check`",
        ),
        (("withdraw",), "Withdrawing it again does no harm."),
    ],
)
async def test_what_may_be_stored_is_named_with_what_to_do(command: tuple[str, ...], advice: str) -> None:
    async with serve(Answering([busy(503, "120")])) as server:
        environment = access(str(server.make_url("")))
        ended = await run_in_process(*command, "--notice", "h-11", environment=environment)
    assert ended.status == 4, ended.everything
    assert f"notice h-11: Kreisfunk cannot take notices just now.\n{UNCERTAIN} {advice.format('h-11')}" in ended.errors
