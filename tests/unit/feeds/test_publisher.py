"""Events that the notices API does not accept, and reports about the others."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.feeds import publisher
from services.feeds.folder import StateFolder
from services.feeds.metrics import Metrics
from services.feeds.publisher import UNPACED_REQUESTS, FeedPublisher
from services.feeds.service import PollLoop
from shared.contracts.events import Problem
from shared.contracts.notices_http import EventProgress, EventState, start_progress
from shared.runtime.notices_api import NoticesApiUnavailable, TokenRefused
from tests.factories.feeds import SOURCE, build_item, build_sent_event
from tests.harness.feeds_folder import FakeFeed, FakeNoticesApi, build_poller

EVENT = build_sent_event("0:1")
LATE = (Problem(field="expirytime", problem="is in the past"),)


def build_progress(state: EventState, age: float = 0) -> EventProgress:
    known = start_progress(SOURCE, "0:1", "n", datetime.fromtimestamp(time.time() - age, UTC))
    return msgspec.structs.replace(known, state=state, problems=LATE)


def build_publisher(folder: StateFolder, notices: FakeNoticesApi) -> FeedPublisher:
    return FeedPublisher(notices=notices, folder=folder)


@pytest.mark.parametrize(
    ("error", "result", "pause"),
    [
        (NoticesApiUnavailable("answers 500"), "unavailable", 5),
        (NoticesApiUnavailable("answers 429", 30), "unavailable", 30),
        (NoticesApiUnavailable("answers 503", 3600), "unavailable", 60),
        (TokenRefused("refuses the token"), "token_refused", 60),
    ],
)
async def test_a_poll_that_cannot_publish_counts_as_failed_and_is_repeated(
    error: NoticesApiUnavailable, result: str, pause: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, stop, pauses = CollectorRegistry(), asyncio.Event(), list[float]()

    async def wait(stop: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            stop.set()

    monkeypatch.setattr("services.feeds.service.wait_until_set", wait)
    notices = FakeNoticesApi(error)
    poller = build_poller(StateFolder(tmp_path), FakeFeed([build_item(1)]), notices, interval_seconds=900)
    await PollLoop(poller, Metrics(registry), stop).run()
    counted = registry.get_sample_value("kreisfunk_feeds_polls_total", {"name": "presse", "result": result})
    assert (counted, pauses, len(notices.published)) == (1, [pause, 900], 1)


@pytest.mark.parametrize("state", [None, *EventState])
async def test_what_was_stored_before_it_expired_is_not_rejected_when_it_is_sent_again(
    state: EventState | None, tmp_path: Path
) -> None:
    """As when the answer was lost, and the notices API has been restarted since."""
    notices = FakeNoticesApi(LATE, progress=build_progress(state) if state else None)
    is_rejected = state in (None, EventState.REJECTED)
    assert await build_publisher(StateFolder(tmp_path), notices).publish(EVENT) == (LATE if is_rejected else ())


@pytest.mark.parametrize(("age", "is_answer"), [(0, True), (120, False)])
async def test_a_rejection_from_before_it_was_published_again_is_not_its_answer(
    age: float, is_answer: bool, tmp_path: Path
) -> None:
    folder, notices = StateFolder(tmp_path), FakeNoticesApi(progress=build_progress(EventState.REJECTED, age))
    folder.save_refused(EVENT, (), "presse")
    folder.save_sent("presse", EVENT)
    await build_publisher(folder, notices).read_answers()
    assert [refused.problems for refused in folder.list_refused().values()] == [LATE if is_answer else ()]
    assert folder.is_unanswered("0:1") == (not is_answer)


async def test_a_first_rejection_counts_although_the_clocks_differ(tmp_path: Path) -> None:
    folder, notices = StateFolder(tmp_path), FakeNoticesApi(progress=build_progress(EventState.REJECTED, age=3600))
    folder.save_sent("presse", EVENT)
    await build_publisher(folder, notices).read_answers()
    assert (len(folder.list_refused()), folder.is_unanswered("0:1")) == (1, False)


class BusyNoticesApi(FakeNoticesApi):
    """A notices API at the limit of our token: each question has to be repeated."""

    async def fetch_progress(self, source: str, event_id: str) -> EventProgress | None:
        progress = await super().fetch_progress(source, event_id)
        if self.asked % 2:
            raise NoticesApiUnavailable("answers 429", 0.01)
        return progress


async def test_a_question_above_the_rate_limit_is_asked_again(tmp_path: Path) -> None:
    """As after more than a hundred publications at once."""
    folder, notices = StateFolder(tmp_path), BusyNoticesApi(LATE, progress=build_progress(EventState.ACCEPTED))
    for number in range(3):
        folder.save_sent("presse", build_sent_event(f"{number}:1"))
    await build_publisher(folder, notices).wait_for_answers(0)
    assert (folder.list_unanswered(), notices.asked) == ([], 6)
    assert await build_publisher(folder, notices).publish(EVENT) == ()
    notices.answers = [NoticesApiUnavailable("answers 429", 0.01)]
    assert await build_publisher(folder, notices).publish(EVENT) == ()
    assert notices.published == ["0:1"]


async def test_many_events_are_asked_for_slowly_and_not_beyond_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, notices = StateFolder(tmp_path), FakeNoticesApi()
    for number in range(2 * UNPACED_REQUESTS):
        folder.save_sent("presse", build_sent_event(f"{number}:1"))
    await build_publisher(folder, notices).wait_for_answers(0)
    assert notices.asked == UNPACED_REQUESTS
    monkeypatch.setattr(publisher, "REQUEST_PAUSE_SECONDS", 0)
    await build_publisher(folder, notices).read_answers()
    assert notices.asked == 3 * UNPACED_REQUESTS
