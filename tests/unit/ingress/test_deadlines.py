"""Deadlines: a request that waits too long is answered soon after, and no other is."""

import asyncio

from services.ingress.webhook.group_commit import STEPS, Confirmation, Deadlines
from shared.runtime.background import run_in_background
from tests.servers import WAIT_TIMEOUT_SECONDS

SECONDS = 0.2


def waiting() -> Confirmation:
    return asyncio.get_running_loop().create_future()


async def test_who_has_no_answer_in_time_gets_false_and_not_before() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines(SECONDS)
    async with run_in_background(deadlines.work()), asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        for _ in range(3):
            answer, begun = waiting(), loop.time()
            deadlines.watch([answer])
            assert not await answer
            assert loop.time() - begun >= SECONDS * (1 - 1 / STEPS)


async def test_an_answer_that_is_there_stays() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines(SECONDS)
    early, late, gone, never = waiting(), waiting(), waiting(), waiting()
    async with run_in_background(deadlines.work()), asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        early.set_result(True)
        deadlines.watch([early, late, gone, never])
        loop.call_later(SECONDS / 2, late.set_result, True)
        loop.call_later(SECONDS / 2, gone.cancel)
        assert not await never

    assert early.result()
    assert late.result()
    assert gone.cancelled()
