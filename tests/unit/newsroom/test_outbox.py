"""The outbox: what waits is sent again, the same each time, and rests only when it was accepted or rejected."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.newsroom.domain.outbox import (
    MAX_RETRY_DELAY_SECONDS,
    NoticePublication,
    PublicationState,
    PublishAnswer,
    compute_next_try,
)
from services.newsroom.handlers.publishing import UNANSWERED, PublicationOutbox
from tests.factories.editors import NOON, PublicationsInMemory, ScriptedNoticesApi

WAITING = NoticePublication(
    id=UUID(int=1), draft=UUID(int=2), version=1, revision=1, event={"id": "k"}, created_at=NOON
)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (202, PublicationState.ACCEPTED),
        *((status, PublicationState.REJECTED) for status in (400, 403, 413, 415, 422)),
        *((status, PublicationState.WAITING) for status in (200, 301, 401, 404, 408, 429, 500, 502, 503)),
    ],
)
def test_only_what_is_said_of_the_notice_ends_the_waiting(status: int, state: PublicationState) -> None:
    assert PublishAnswer(status=status).state is state


@given(st.integers(0, 1_000), st.floats(0, 1e6))
def test_the_next_try_is_soon_but_not_at_once(tries: int, retry_after: float) -> None:
    wait = (compute_next_try(NOON, tries, retry_after) - NOON).total_seconds()
    assert 1 <= wait <= MAX_RETRY_DELAY_SECONDS
    assert wait >= min(retry_after, MAX_RETRY_DELAY_SECONDS) - 1e-5


@given(st.lists(st.sampled_from([None, 503, 429, 401]), max_size=8), st.sampled_from([202, 422]))
def test_the_same_event_is_sent_until_it_is_answered(failures: list[int | None], last: int) -> None:
    asyncio.run(_send_until_answered(failures, last))


async def _send_until_answered(failures: list[int | None], last: int) -> None:
    now = NOON
    answers = [None if each is None else PublishAnswer(status=each) for each in (*failures, last)]
    publications, notices = PublicationsInMemory([WAITING]), ScriptedNoticesApi(answers=answers)
    times = len(answers)
    counts: Counter[str] = Counter()
    outbox = PublicationOutbox(
        publications=publications,
        notices=notices,
        clock=lambda: now,
        count=lambda result: counts.update((result,)),
        needed=asyncio.Event(),
    )
    for _ in range(times + 2):
        await outbox.send_due()
        now += timedelta(seconds=MAX_RETRY_DELAY_SECONDS)
    assert notices.published == [WAITING.event] * times
    assert publications.answers == {WAITING.id: PublishAnswer(status=last).state}
    assert counts[UNANSWERED] == len(failures)
    assert counts.total() == times
