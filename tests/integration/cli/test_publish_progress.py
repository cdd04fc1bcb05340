"""Following an event over HTTP, on a real HTTP server that answers like the notices API, in its own words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from cli.publish import wait_for_answer
from cli.publish.notices_api import POLL_INTERVAL_SECONDS, NoAnswerError, NoticesApiPublisher, ProgressUnavailable
from cli.settings import PublisherSettings
from shared.contracts.envelope import encode
from shared.contracts.events import NoticeAction, Problem
from shared.contracts.notices import NoticePublished
from shared.contracts.notices_http import EventProgress, EventState, PublishResult, event_path
from tests.servers import WAIT_TIMEOUT_SECONDS

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BROADCAST = UUID(int=7)
PATH = event_path("/x", "e")


def build_progress(state: EventState, **more: object) -> EventProgress:
    known = EventProgress(event=PATH, source="/x", id="e", notice="n", state=state, changed_at=NOW)
    return msgspec.structs.replace(known, **more)


ACCEPTED = build_progress(
    EventState.ACCEPTED, revision=1, broadcast=BROADCAST, action=NoticeAction.PUBLISHED, audience=3
)
SENDING = build_progress(EventState.SENDING, audience=3, states={"waiting": 2, "accepted": 1})
FINISHED = build_progress(EventState.FINISHED, audience=3, states={"accepted": 3})


@dataclass
class Telling:
    """A notices API that takes everything in and tells these in turn, the last again and again; None: not known yet."""

    answers: list[EventProgress | None]
    taken: int = 0
    status: int = 200

    async def publish(self, _: web.Request) -> web.Response:
        self.taken += 1
        result = PublishResult(event=PATH, source="/x", id="e", notice="n")
        return web.Response(status=202, body=msgspec.json.encode(result), headers={"Location": PATH})

    async def tell(self, _: web.Request) -> web.Response:
        now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if now is None:
            return web.Response(status=404)
        return web.Response(status=self.status, body=msgspec.json.encode(now))


def build_server(telling: Telling, port: int | None = None) -> TestServer:
    app = web.Application()
    app.router.add_post("/notices", telling.publish)
    app.router.add_get(PATH, telling.tell)
    return TestServer(app, port=port)


def build_publisher(url: str) -> NoticesApiPublisher:
    settings = PublisherSettings(source=None, notices_api_url=url, notices_api_token=SecretStr("only-for-tests"))
    return NoticesApiPublisher(settings=settings, source="/x")


@asynccontextmanager
async def open_publisher(*answers: EventProgress | None) -> AsyncIterator[tuple[NoticesApiPublisher, Telling]]:
    telling = Telling(list(answers))
    async with build_server(telling) as server:
        yield build_publisher(str(server.make_url(""))), telling


def event() -> bytes:
    content = NoticePublished(topic="baustellen", headline="K 9", text="Gesperrt.")
    return encode(content, event_id="e", source="/x", time=NOW, subject="n", expirytime=NOW)


async def test_each_change_is_told_once_until_the_last() -> None:
    received = build_progress(EventState.RECEIVED)
    async with open_publisher(None, received, received, ACCEPTED, SENDING, FINISHED) as (publisher, _):
        changes = [progress async for progress in publisher.watch(event(), seconds=WAIT_TIMEOUT_SECONDS)]
    assert changes == [received, ACCEPTED, SENDING, FINISHED]


async def test_an_api_that_restarts_is_waited_for() -> None:
    async with build_server(Telling([ACCEPTED])) as first:
        watched = build_publisher(str(first.make_url(""))).watch(event(), seconds=WAIT_TIMEOUT_SECONDS)
        assert await anext(watched) == ACCEPTED
        port = first.port
    rest = asyncio.ensure_future(anext(watched))
    done, _ = await asyncio.wait([rest], timeout=2 * POLL_INTERVAL_SECONDS)
    assert not done
    async with build_server(Telling([FINISHED]), port=port):
        assert await rest == FINISHED


@pytest.mark.parametrize(
    "answer",
    [
        ACCEPTED,
        build_progress(EventState.REJECTED, problems=(Problem(field="subject", problem="was withdrawn"),)),
        build_progress(EventState.DONE, action=NoticeAction.WITHDRAWN, revision=1),
    ],
)
async def test_the_answer_is_the_first_that_says_more_than_that_it_was_received(answer: EventProgress) -> None:
    async with open_publisher(build_progress(EventState.RECEIVED), answer, SENDING) as (publisher, _):
        assert await wait_for_answer(publisher, event(), WAIT_TIMEOUT_SECONDS) == answer


async def test_who_does_not_wait_asks_nothing_and_who_waits_in_vain_is_told() -> None:
    async with open_publisher(build_progress(EventState.RECEIVED)) as (publisher, telling):
        assert (await publisher.publish(event())).state is EventState.RECEIVED
        with pytest.raises(NoAnswerError):
            await wait_for_answer(publisher, event(), 0.2)
    assert telling.taken == 2


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_an_api_that_fails_after_it_took_the_event_does_not_sound_as_if_it_had_not(status: int) -> None:
    async with open_publisher(ACCEPTED) as (publisher, telling):
        telling.status = status
        with pytest.raises(ProgressUnavailable):
            await wait_for_answer(publisher, event(), 0.5)
    assert telling.taken == 1
