"""Group commit: everything in exactly one confirmed group, or its submitter is told, at its deadline at the latest."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.webhook.events import Chunk
from services.ingress.webhook.group_commit import STEPS, Confirmation, Deadlines, GroupCommit, GroupLimits
from services.ingress.webhook.receiver import NotStored
from shared.runtime.background import run_in_background
from tests.servers import WAIT_TIMEOUT_SECONDS

WORKERS = 2
LIMITS = GroupLimits(events=5, size=100)


def made_of(*events: int, size: int = 1) -> Chunk:
    """So many events, each a number of this many bytes."""
    return Chunk(len(events), b",".join(b"%0*d" % (size, event) for event in events), {})


def read(chunks: Sequence[Chunk]) -> list[int]:
    """The numbers in them."""
    return [int(number) for each in chunks for number in each.json.split(b",")]


@dataclass
class FakeBroker:
    """Keeps what it confirms; refuses groups by their number, and holds them while the gate is shut."""

    refuses: Callable[[int], bool] = lambda _: False
    groups: list[list[int]] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def has_groups(self, number: int) -> Callable[[], bool]:
        return lambda: len(self.groups) == number

    async def publish(self, chunks: Sequence[Chunk]) -> None:
        number = len(self.groups)
        self.groups.append(read(chunks))
        self.sizes.append([len(each.json) for each in chunks])
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await self.open.wait()
        self.in_flight -= 1
        if self.refuses(number):
            raise NotStored
        self.confirmed.extend(read(chunks))


def run(test: Callable[[], Coroutine[object, object, None]]) -> None:
    """On a loop of its own: hypothesis' tests are not coroutines."""
    with asyncio.Runner() as runner:
        runner.run(test())


def commit(broker: FakeBroker, limits: GroupLimits = LIMITS) -> GroupCommit:
    return GroupCommit(publish=broker.publish, limits=limits)


def working(groups: GroupCommit) -> list[Coroutine[object, object, None]]:
    return [groups.work() for _ in range(WORKERS)]


async def whether_all(submissions: Iterable[Sequence[Confirmation]]) -> list[bool]:
    """Of each submission, whether all of it is stored."""
    return [all(await asyncio.gather(*answers)) for answers in submissions]


def numbered(sizes: Sequence[int]) -> list[list[int]]:
    """Lists of these lengths; every number in them is a different one."""
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [list(range(start, start + size)) for start, size in zip(starts, sizes, strict=True)]


@given(
    shapes=st.lists(st.lists(st.integers(1, 7), max_size=4), max_size=20),
    refused=st.sets(st.integers(0, 30)),
    beside=st.integers(1, 20),
)
def test_each_event_is_in_one_group_and_each_submitter_knows_what_became_of_its_own(
    shapes: list[list[int]], refused: set[int], beside: int
) -> None:
    async def test() -> None:
        broker = FakeBroker(refuses=refused.__contains__)
        broker.open.set()
        groups = commit(broker, GroupLimits(events=5, size=100, flush_threshold=beside))
        chunks = iter(numbered([size for shape in shapes for size in shape]))
        submissions = [[next(chunks) for _ in shape] for shape in shapes]
        async with run_in_background(*working(groups)):
            answers = await whether_all([groups.submit(made_of(*it) for it in parts) for parts in submissions])

        published = [event for group in broker.groups for event in group]
        assert sorted(published) == list(range(sum(map(sum, shapes))))
        for parts, stored in zip(submissions, answers, strict=True):
            assert stored == {event for part in parts for event in part}.issubset(broker.confirmed)

    run(test)


@given(
    lengths=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 9)), max_size=20),
    size=st.integers(1, 60),
)
def test_groups_keep_the_order_and_the_limits(lengths: list[tuple[int, int]], size: int) -> None:
    async def test() -> None:
        broker = FakeBroker()
        broker.open.set()
        limits = GroupLimits(events=5, size=size)
        groups = commit(broker, limits)
        parts = numbered([number for number, _ in lengths])
        chunks = [made_of(*part, size=width) for part, (_, width) in zip(parts, lengths, strict=True)]
        async with run_in_background(*working(groups)):
            await whether_all([groups.submit([each]) for each in chunks])

        assert [event for group in broker.groups for event in group] == list(range(sum(map(len, parts))))
        for group, sizes in zip(broker.groups, broker.sizes, strict=True):
            assert len(sizes) == 1 or (len(group) <= limits.events and sum(sizes) <= limits.size)

    run(test)


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until it holds."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for is a turn of the loop
            await asyncio.sleep(0)


async def test_what_arrives_while_groups_are_in_flight_travels_together() -> None:
    broker = FakeBroker()
    groups = commit(broker, GroupLimits(events=100, size=1000))
    async with run_in_background(*working(groups)):
        answers = []
        for event in range(WORKERS):
            answers.append(groups.submit([made_of(event)]))
            await until(broker.has_groups(event + 1))
        answers += [groups.submit([made_of(event)]) for event in range(WORKERS, 50)]
        broker.open.set()
        assert all(await whether_all(answers))

    assert broker.groups == [[0], [1], list(range(2, 50))]
    assert broker.most_in_flight == WORKERS


@pytest.mark.parametrize(("in_flight", "leave"), [(1, 1), (3, 3), (5, 5), (9, 5)])
async def test_as_many_as_are_in_flight_leave_beside_them_or_enough(in_flight: int, leave: int) -> None:
    broker = FakeBroker()
    groups = commit(broker, GroupLimits(events=100, size=1000, flush_threshold=5))
    async with run_in_background(*working(groups)), asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        answers = [groups.submit([made_of(0, 0)] * in_flight)]
        await until(broker.has_groups(1))
        answers += [groups.submit([made_of(1, 2)]) for _ in range(leave - 1)]
        await asyncio.sleep(0)  # a turn in which nothing may leave
        assert len(broker.groups) == 1
        answers.append(groups.submit([made_of(3)]))
        await until(broker.has_groups(2))
        broker.open.set()
        assert all(await whether_all(answers))

    assert broker.groups == [[0, 0] * in_flight, [1, 2] * (leave - 1) + [3]]


async def test_who_has_gone_takes_back_what_no_group_holds() -> None:
    broker = FakeBroker()
    groups = commit(broker, GroupLimits(events=1, size=1))
    async with run_in_background(*working(groups)):
        in_flight = groups.submit([made_of(0), made_of(1)])
        await until(broker.has_groups(WORKERS))
        cancelled, answered = groups.submit([made_of(2), made_of(3)])
        stays = groups.submit([made_of(4)])
        cancelled.cancel()
        answered.set_result(False)
        broker.open.set()
        assert await whether_all([in_flight, stays]) == [True, True]

    assert broker.groups == [[0], [1], [4]]


async def test_an_unexpected_error_ends_the_work_loudly() -> None:
    async def publish(_: Sequence[Chunk]) -> None:
        raise ZeroDivisionError

    groups = GroupCommit(publish=publish, limits=LIMITS)
    groups.submit([made_of(1)])
    with pytest.raises(ZeroDivisionError):
        await groups.work()


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
