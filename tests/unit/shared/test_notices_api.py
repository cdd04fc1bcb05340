"""Interpretation of answers by the client of the notices API, including those of other servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.ports import LOOPBACK
from shared.contracts.events import Problem
from shared.contracts.notices_http import FieldError, ProblemDetails, PublishResult, event_path, start_progress
from shared.runtime import notices_api
from shared.runtime.notices_api import HttpNoticesApi, NoticesApiUnavailable, TokenRefused, open_notices_api
from tests.factories.feeds import NOW

EVENT, TOKEN = b"{}", "kreisfunk_only-for-tests"
DETAILS = ProblemDetails(type="/docs#x", title="Wrong", status=422, detail="It breaks rules.")
REJECTION = msgspec.json.encode(DETAILS)
RESULT = msgspec.json.encode(PublishResult(event=event_path("/x", "1"), source="/x", id="1", notice="n"))


@asynccontextmanager
async def answering(status: int, body: bytes = b"", **headers: str) -> AsyncIterator[tuple[HttpNoticesApi, list[str]]]:
    """A client of a server that always answers this; what was asked for, with the token."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path} {request.headers.get('Authorization')}")
        return web.Response(status=status, body=body, headers={key.replace("_", "-"): headers[key] for key in headers})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, open_notices_api(str(server.make_url("/")), TOKEN) as client:
        yield client, asked


async def test_only_202_is_stored() -> None:
    async with answering(202, RESULT) as (client, asked):
        assert await client.publish(EVENT) == ()
    assert asked == [f"POST /notices Bearer {TOKEN}"]


@pytest.mark.parametrize("status", [400, 403, 413, 415, 422])
async def test_only_what_is_said_of_the_notice_rejects_it(status: int) -> None:
    async with answering(status, REJECTION) as (client, _):
        assert await client.publish(EVENT) == (Problem(field="event", problem="It breaks rules."),)
        assert (await client.check(EVENT)).problems == await client.publish(EVENT)
    errors = (FieldError(field="topic", problem="unknown"),)
    async with answering(status, msgspec.json.encode(msgspec.structs.replace(DETAILS, errors=errors))) as (client, _):
        assert await client.publish(EVENT) == (Problem(field="topic", problem="unknown"),)


@pytest.mark.parametrize("status", [200, 301, 401, 404, 408, 429, 500, 502, 503])
async def test_after_any_other_answer_it_may_be_sent_again(status: int) -> None:
    async with answering(status, REJECTION, Retry_After="7", Location="/elsewhere") as (client, asked):
        with pytest.raises(NoticesApiUnavailable) as failed:
            await client.publish(EVENT)
    assert (len(asked), isinstance(failed.value, TokenRefused)) == (1, status == 401)
    assert failed.value.retry_after == (0 if status == 401 else 7)
    assert TOKEN not in str(failed.value)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b"[]", b'{"x":' * 100_000], ids=range(5))
async def test_a_page_of_somebody_else_says_nothing_of_the_notice(body: bytes) -> None:
    async with answering(403, body) as (client, _):
        with pytest.raises(NoticesApiUnavailable, match="proxy"):
            await client.publish(EVENT)
    async with answering(202, body) as (client, _):
        with pytest.raises(NoticesApiUnavailable, match="invalid"):
            await client.publish(EVENT)
    async with answering(200, body) as (client, _):
        for request in (client.check(EVENT), client.fetch_progress("/x", "1")):
            with pytest.raises(NoticesApiUnavailable, match="invalid"):
                await request


async def test_an_event_that_is_not_known_yet_has_no_progress() -> None:
    progress = start_progress("/x", "1", "n", NOW)
    async with answering(200, msgspec.json.encode(progress)) as (client, asked):
        assert await client.fetch_progress("/x", "1") == progress
    assert asked == [f"GET {progress.event} Bearer {TOKEN}"]
    async with answering(404) as (client, _):
        assert await client.fetch_progress("/x", "1") is None


async def test_an_endless_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices_api, "MAX_ANSWER_BYTES", 1_000)
    async with answering(202, b" " * 1_001) as (client, _):
        with pytest.raises(NoticesApiUnavailable, match="more than"):
            await client.publish(EVENT)


async def test_an_address_at_which_nobody_answers_is_named() -> None:
    async with open_notices_api(f"http://{LOOPBACK}:1", TOKEN) as client:
        with pytest.raises(NoticesApiUnavailable, match=f"{LOOPBACK}:1: nobody answers there"):
            await client.publish(EVENT)
