"""The outbox: what waits is sent again, the same each time, and rests only when it was accepted or rejected."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.newsroom.domain.outbox import (
    MAX_RETRY_DELAY_SECONDS,
    NoticePublication,
    PublicationState,
    compute_next_try,
)
from services.newsroom.handlers.publishing import UNANSWERED, PublicationOutbox
from shared.contracts.events import Problem
from tests.factories.editors import NOON, PublicationsInMemory, ScriptedNoticesApi

WAITING = NoticePublication(
    id=UUID(int=1), draft=UUID(int=2), version=1, revision=1, event={"id": "k"}, created_at=NOON
)


@given(st.integers(0, 1_000), st.floats(0, 1e6))
def test_the_next_try_is_soon_but_not_at_once(tries: int, retry_after: float) -> None:
    wait = (compute_next_try(NOON, tries, retry_after) - NOON).total_seconds()
    assert 1 <= wait <= MAX_RETRY_DELAY_SECONDS
    assert wait >= min(retry_after, MAX_RETRY_DELAY_SECONDS) - 1e-5


@given(st.integers(0, 8), st.sampled_from([(), (Problem(field="quota", problem="is used up"),)]))
def test_the_same_event_is_sent_until_it_is_answered(failures: int, last: tuple[Problem, ...]) -> None:
    asyncio.run(_send_until_answered(failures, last))


async def _send_until_answered(failures: int, last: tuple[Problem, ...]) -> None:
    now = NOON
    answers = [*[None] * failures, last]
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
    assert publications.answers == {WAITING.id: PublicationState.REJECTED if last else PublicationState.ACCEPTED}
    assert counts[UNANSWERED] == failures
    assert counts.total() == times
