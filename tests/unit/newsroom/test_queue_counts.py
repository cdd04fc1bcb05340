"""Shown counts of unhandled messages are the broker's latest, and none while it does not answer."""

from collections.abc import Mapping

from services.newsroom.adapters.queue_counts import QueueCounts
from shared.amqp.connection import BrokerUnavailable


async def test_nothing_is_said_while_the_broker_does_not_answer() -> None:
    counts, answers = QueueCounts(), iter(({"a": 2, "b": 0}, None, {"a": 3}))

    async def read() -> Mapping[str, int]:
        answer = next(answers)
        if answer is None:
            raise BrokerUnavailable("away")
        return answer

    await counts.refresh()
    assert counts.counts is None
    with counts.use(read):
        said: list[Mapping[str, int] | None] = []
        for _ in range(3):
            await counts.refresh()
            said.append(counts.counts)
        assert said == [{"a": 2}, None, {"a": 3}]
    assert counts.counts is None
