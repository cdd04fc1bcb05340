"""Log of every accepted message, for tests to compare with the sender's own records."""

from collections import Counter

from simulator.citizens import BusinessMessage, Citizen, UserMessage
from simulator.limits import SlidingWindow
from simulator.states import MessageState, pick_later


class MessageLog:
    """All accepted messages in order, with counts by outcome."""

    def __init__(self) -> None:
        self.messages: list[BusinessMessage] = []
        self.rejected: Counter[int] = Counter()
        self.accepted_window = SlidingWindow()
        self.attempts: list[float] = []
        self.written: list[tuple[Citizen, UserMessage]] = []
        self._states: Counter[MessageState] = Counter()

    def accept(self, message: BusinessMessage) -> None:
        self.accepted_window.add(message.accepted_at)
        self.messages.append(message)
        self._states[message.state] += 1

    def advance(self, message: BusinessMessage, state: MessageState) -> bool:
        """Move a message forward; return False if it had already reached this state or a later one."""
        later = pick_later(message.state, state)
        if later is message.state:
            return False
        self._states[message.state] -= 1
        self._states[later] += 1
        message.state = later
        return True

    @property
    def totals(self) -> dict[str, int]:
        """Numbers of requests and messages; `delivered` includes read ones, `inbound` are those that citizens wrote."""
        read = self._states[MessageState.READ]
        return {
            "attempted": len(self.attempts),
            "accepted": len(self.messages),
            "delivered": self._states[MessageState.DELIVERED] + read,
            "read": read,
            "failed": self._states[MessageState.FAILED],
            "inbound": len(self.written),
        }
