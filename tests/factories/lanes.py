"""Messages of a lane, and those delivered to a dispatcher, without a broker."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.dispatcher.ports import LaneMessage
from shared.contracts.envelope import encode
from shared.contracts.message import Message
from shared.outcome import Outcome


def encode_message(message: Message, time: datetime | None = None) -> bytes:
    return encode(message, event_id="1", source="/test", time=time or datetime.now(UTC))


@dataclass
class FakeLaneMessage:
    """A message on a lane; its default body cannot be parsed."""

    body: bytes = b"\x00"
    attempt: int = 1
    alive: bool = True
    outcomes: list[Outcome] = field(default_factory=list)

    async def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class FakeLaneQueue:
    """Messages that were delivered but not yet taken."""

    def __init__(self, messages: Iterable[LaneMessage] = ()) -> None:
        self._messages = deque(messages)
        self.is_open = True

    @property
    def waiting(self) -> int:
        return len(self._messages)

    def peek(self) -> LaneMessage | None:
        return self._messages[0] if self._messages else None

    def take(self) -> LaneMessage | None:
        return self._messages.popleft() if self._messages else None

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
