"""A message that nobody can read, at the front of a lane while nothing is sent."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.dispatcher.handlers.lanes import Lanes
from shared.contracts.message import Lane
from shared.outcome import Dead, Outcome
from tests.servers import WAIT_TIMEOUT_SECONDS

NOTHING: Any = None


@dataclass
class UnreadableMessage:
    body: bytes = b"\x00"
    alive: bool = True
    attempt: int = 1
    outcomes: list[Outcome] = field(default_factory=list)

    async def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@dataclass
class UnreadableLane:
    """A lane's queue with such a message."""

    message: UnreadableMessage = field(default_factory=UnreadableMessage)
    waiting: int = 1
    is_open: bool = True

    def take(self) -> UnreadableMessage | None:
        has_one, self.waiting = bool(self.waiting), 0
        return self.message if has_one else None

    def peek(self) -> UnreadableMessage:
        return self.message

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


async def test_what_nobody_can_read_hides_no_metric_and_keeps_no_lane_open() -> None:
    queues = {lane: UnreadableLane() for lane in Lane}
    lanes = Lanes(ledger=NOTHING, queues=queues, prepare=NOTHING, wake=asyncio.Event())
    assert lanes.measure_waiting_seconds(datetime.now(UTC)) == dict.fromkeys(Lane, 0.0)
    await lanes.close()
    assert not any(queue.is_open for queue in queues.values())
    assert [type(outcome) for queue in queues.values() for outcome in queue.message.outcomes] == [Dead] * len(Lane)


class BlockedMessage(UnreadableMessage):
    """One that a broker with an alarm takes nowhere."""

    async def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        await asyncio.Event().wait()


async def test_what_cannot_be_put_elsewhere_holds_up_neither_other_messages_nor_the_end() -> None:
    queues = {lane: UnreadableLane(BlockedMessage()) for lane in Lane}
    lanes = Lanes(ledger=NOTHING, queues=queues, prepare=NOTHING, wake=asyncio.Event())
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while await lanes.claim_some(1):
            pass
        await lanes.close()
    assert [len(queue.message.outcomes) for queue in queues.values()] == [1] * len(Lane)
    assert not any(queue.is_open for queue in queues.values())
