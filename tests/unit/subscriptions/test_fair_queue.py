"""Order in which the fair queue handles messages."""

import asyncio

from services.subscriptions.handlers.fair_queue import FairQueue
from tests.servers import WAIT_TIMEOUT_SECONDS

LONG, SHORT = 1_000, 36


async def run(most: int, *asked: tuple[str, float], cancelled: int | None = None) -> list[str]:
    """The turns of these people, named by their letters, in the order in which they begin; all ask at once."""
    queue, begun = FairQueue(most), list[str]()
    start = asyncio.Event()

    async def take(person: str, cost: float) -> None:
        async with queue.take([letter.encode() for letter in person], cost):
            begun.append(person)
            await start.wait()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(take(*each)) for each in asked]
    await asyncio.sleep(0)
    if cancelled is not None:
        tasks[cancelled].cancel()
    start.set()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_TIMEOUT_SECONDS)
    return begun


async def test_a_backlog_of_one_person_does_not_hold_up_another() -> None:
    begun = await run(1, *[("a", LONG)] * 100, ("b", SHORT))
    assert begun[:3] == ["a", "b", "a"]


async def test_long_messages_of_many_do_not_hold_up_a_short_one() -> None:
    begun = await run(4, *[(chr(number), LONG) for number in range(1_000, 2_000)], ("z", SHORT))
    assert begun.index("z") == 4


async def test_nor_does_a_short_one_wait_when_many_have_waited_for_a_while() -> None:
    queue, begun, late = FairQueue(1), list[str](), list[asyncio.Task[None]]()

    async def take(person: str, cost: float) -> None:
        async with queue.take([person.encode()], cost):
            begun.append(person)
            if len(begun) == 100:
                late.append(asyncio.create_task(take("z", SHORT)))
            await asyncio.sleep(0)

    await asyncio.gather(*(take(chr(number), LONG) for number in range(1_000, 1_200)))
    await asyncio.gather(*late)
    assert begun.index("z") <= 102


async def test_a_long_message_is_not_put_off_for_ever() -> None:
    begun = await run(1, ("a", LONG), ("b", LONG), *[("c", SHORT)] * 100)
    assert begun.index("b") < 40


async def test_messages_of_one_person_come_one_after_the_other_in_their_order() -> None:
    queue, running, seen = FairQueue(8), set[str](), list[int]()

    async def take(person: str, number: int) -> None:
        async with queue.take([letter.encode() for letter in person], LONG - number):
            assert not running & set(person)
            running.update(person)
            seen.append(number)
            await asyncio.sleep(0)
            running.difference_update(person)

    people = ["a", "b", "ab", "a", "b", "bc", "c"]
    await asyncio.gather(*(take(person, number) for number, person in enumerate(people)))
    for letter in "abc":
        theirs = [number for number in seen if letter in people[number]]
        assert theirs == sorted(theirs)


async def test_whoever_goes_away_while_waiting_leaves_the_others_their_turns() -> None:
    assert await run(1, ("a", SHORT), ("b", SHORT), ("b", SHORT), cancelled=1) == ["a", "b"]
    assert await run(1, ("a", SHORT), ("a", SHORT), ("a", SHORT), cancelled=1) == ["a", "a"]
    assert await run(1, ("a", SHORT), ("b", SHORT), cancelled=0) == ["a", "b"]
