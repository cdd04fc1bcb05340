"""Group commit: everything in exactly one confirmed group, or its submitter is told."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.adapters.group_commit import Answer, GroupCommit, Limits
from services.ingress.ports import NotStored
from shared.runtime.background import background

WORKERS = 2
LIMITS = Limits(events=5, weight=100)


@dataclass
class Broker:
    """Keeps what it confirms; refuses groups by their number, and holds them while the gate is shut."""

    refuses: Callable[[int], bool] = lambda _: False
    groups: list[list[int]] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def has_groups(self, number: int) -> Callable[[], bool]:
        return lambda: len(self.groups) == number

    async def publish(self, events: Sequence[int]) -> None:
        number = len(self.groups)
        self.groups.append(list(events))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await self.open.wait()
        self.in_flight -= 1
        if self.refuses(number):
            raise NotStored
        self.confirmed.extend(events)


def run(test: Callable[[], Coroutine[object, object, None]]) -> None:
    """On a loop of its own: hypothesis' tests are not coroutines."""
    with asyncio.Runner() as runner:
        runner.run(test())


def commit(broker: Broker, limits: Limits = LIMITS, weigh: Callable[[Sequence[int]], int] = len) -> GroupCommit[int]:
    return GroupCommit(publish=broker.publish, weigh=weigh, limits=limits)


async def whether_all(submissions: Iterable[Sequence[Answer]]) -> list[bool]:
    """Of each submission, whether all of it is stored."""
    return [all(await asyncio.gather(*answers)) for answers in submissions]


def working(groups: GroupCommit[int]) -> list[Coroutine[object, object, None]]:
    return [groups.work() for _ in range(WORKERS)]


def numbered(sizes: list[int]) -> list[list[int]]:
    """Submissions of these sizes; every event is a different number."""
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [list(range(start, start + size)) for start, size in zip(starts, sizes, strict=True)]


@given(
    sizes=st.lists(st.integers(1, 12), max_size=20),
    refused=st.sets(st.integers(0, 30)),
    beside=st.integers(1, 20),
)
def test_each_event_is_in_one_group_and_each_submitter_knows_what_became_of_its_own(
    sizes: list[int], refused: set[int], beside: int
) -> None:
    async def test() -> None:
        broker = Broker(refuses=refused.__contains__)
        broker.open.set()
        groups = commit(broker, Limits(events=5, weight=100, beside=beside))
        submissions = numbered(sizes)
        async with background(*working(groups)):
            answers = await whether_all([groups.submit(events) for events in submissions])

        published = [event for group in broker.groups for event in group]
        assert len(published) == len(set(published))
        for events, stored in zip(submissions, answers, strict=True):
            assert stored == set(events).issubset(broker.confirmed)

    run(test)


@given(sizes=st.lists(st.integers(1, 12), max_size=20), weight=st.integers(1, 20))
def test_groups_keep_the_order_and_the_limits(sizes: list[int], weight: int) -> None:
    async def test() -> None:
        broker = Broker()
        broker.open.set()
        limits = Limits(events=5, weight=weight)
        groups = commit(broker, limits, weigh=lambda events: sum(event % 7 for event in events))
        submissions = numbered(sizes)
        async with background(*working(groups)):
            await whether_all([groups.submit(events) for events in submissions])

        assert [event for group in broker.groups for event in group] == list(range(sum(sizes)))
        for group in broker.groups:
            assert len(group) <= limits.events
            assert len(group) == 1 or sum(event % 7 for event in group) <= weight

    run(test)


@given(refused=st.sets(st.integers(0, 9)))
def test_a_refused_group_fails_only_its_own_submitters(refused: set[int]) -> None:
    async def test() -> None:
        broker = Broker(refuses=refused.__contains__)
        broker.open.set()
        groups = commit(broker, Limits(events=1, weight=1))
        async with background(*working(groups)):
            answers = await whether_all([groups.submit([event]) for event in range(10)])

        failed = {broker.groups[number][0] for number in refused}
        assert [event for event, stored in enumerate(answers) if not stored] == sorted(failed)

    run(test)


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until it holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is a turn of the loop
            await asyncio.sleep(0)


async def test_what_arrives_while_groups_are_in_flight_travels_together() -> None:
    broker = Broker()
    groups = commit(broker, Limits(events=100, weight=1000))
    async with background(*working(groups)):
        answers = []
        for event in range(WORKERS):
            answers.append(groups.submit([event]))
            await until(broker.has_groups(event + 1))
        answers += [groups.submit([event]) for event in range(WORKERS, 50)]
        broker.open.set()
        assert all(await whether_all(answers))

    assert broker.groups == [[0], [1], list(range(2, 50))]
    assert broker.most_in_flight == WORKERS


async def test_a_few_wait_for_the_group_before_them_and_many_leave_beside_it() -> None:
    broker = Broker()
    groups = commit(broker, Limits(events=100, weight=1000, beside=5))
    async with background(*working(groups)):
        answers = [groups.submit([0])]
        await until(broker.has_groups(1))
        answers += [groups.submit([event, event + 1]) for event in (1, 3, 5, 7)]
        await asyncio.sleep(0)  # a turn in which nothing may leave
        answers.append(groups.submit([9, 10]))
        await until(broker.has_groups(2))
        answers.append(groups.submit([11]))
        broker.open.set()
        async with asyncio.timeout(5):
            assert all(await whether_all(answers))

    assert broker.groups == [[0], list(range(1, 11)), [11]]


async def test_who_has_gone_takes_back_what_no_group_holds() -> None:
    broker = Broker()
    groups = commit(broker, Limits(events=1, weight=1))
    async with background(*working(groups)):
        held = groups.submit([0, 1])
        await until(broker.has_groups(WORKERS))
        cancelled, answered = groups.submit([2, 3])
        stays = groups.submit([4])
        cancelled.cancel()
        answered.set_result(False)
        broker.open.set()
        assert await whether_all([held, stays]) == [True, True]

    assert broker.groups == [[0], [1], [4]]


async def test_more_than_a_group_holds_is_halved_until_it_fits() -> None:
    broker = Broker()
    broker.open.set()
    groups = commit(broker, Limits(events=4, weight=1000))
    async with background(groups.work()):
        assert await whether_all([groups.submit(range(10))]) == [True]

    assert broker.groups == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]


async def test_an_unexpected_error_ends_the_work_loudly() -> None:
    async def publish(_: Sequence[int]) -> None:
        raise ZeroDivisionError

    groups = GroupCommit(publish=publish, weigh=len, limits=LIMITS)
    groups.submit([1])
    with pytest.raises(ZeroDivisionError):
        await groups.work()
