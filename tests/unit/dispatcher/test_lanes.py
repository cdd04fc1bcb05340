"""A message that nobody can read, at the front of a lane while nothing is sent."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.dispatcher.handlers.lanes import Lanes
from shared.contracts.message import Lane
from shared.outcome import Dead, Outcome
from tests.factories.lanes import FakeLaneMessage, FakeLaneQueue
from tests.servers import WAIT_TIMEOUT_SECONDS

NOTHING: Any = None


class BlockedMessage(FakeLaneMessage):
    """One that a broker with an alarm takes nowhere."""

    async def settle(self, outcome: Outcome) -> None:
        await super().settle(outcome)
        await asyncio.Event().wait()


def build_lanes(messages: Mapping[Lane, FakeLaneMessage]) -> tuple[Lanes, list[FakeLaneQueue]]:
    queues = {lane: FakeLaneQueue([message]) for lane, message in messages.items()}
    return Lanes(ledger=NOTHING, queues=queues, prepare=NOTHING, wake=asyncio.Event()), [*queues.values()]


async def test_what_nobody_can_read_hides_no_metric_and_keeps_no_lane_open() -> None:
    messages = {lane: FakeLaneMessage() for lane in Lane}
    lanes, queues = build_lanes(messages)
    assert lanes.measure_waiting_seconds(datetime.now(UTC)) == dict.fromkeys(Lane, 0.0)
    await lanes.close()
    assert not any(queue.is_open for queue in queues)
    assert [type(outcome) for message in messages.values() for outcome in message.outcomes] == [Dead] * len(Lane)


async def test_what_cannot_be_put_elsewhere_holds_up_neither_other_messages_nor_the_end() -> None:
    messages = {lane: BlockedMessage() for lane in Lane}
    lanes, queues = build_lanes(messages)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while await lanes.claim_some(1):
            pass
        await lanes.close()
    assert [len(message.outcomes) for message in messages.values()] == [1] * len(Lane)
    assert not any(queue.is_open for queue in queues)
