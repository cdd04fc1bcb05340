"""Messages of a lane, and what a dispatcher has been given of it, without a broker."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.dispatcher.ports import LaneMessage
from shared.contracts.envelope import encode
from shared.contracts.message import Message
from shared.outcome import Outcome


def encode_message(message: Message, at: datetime | None = None) -> bytes:
    return encode(message, event_id="1", source="/test", time=at or datetime.now(UTC))


@dataclass
class FakeLaneMessage:
    """One that nobody can read, if it is not given another body."""

    body: bytes = b"\x00"
    attempt: int = 1
    alive: bool = True
    outcomes: list[Outcome] = field(default_factory=list)

    async def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class FakeLaneQueue:
    """Messages that were delivered and not yet taken."""

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
