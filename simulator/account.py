"""The account of everything that was accepted: what a test holds against the sender's own books."""

from collections import Counter

from simulator.citizens import Citizen, Message, Written
from simulator.limits import SlidingWindow
from simulator.states import State, later


class Account:
    """All accepted messages in order, and how many went which way."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.rejected: Counter[int] = Counter()
        self.accepted_window = SlidingWindow()
        self.attempted_window = SlidingWindow()
        self.attempts: list[float] = []
        self.written: list[tuple[Citizen, Written]] = []
        self._states: Counter[State] = Counter()
        self._by_wamid: dict[str, Message] = {}
        self._written: dict[str, tuple[Citizen, Written]] = {}

    def attempt(self, now: float) -> None:
        self.attempts.append(now)
        self.attempted_window.add(now)

    @property
    def attempted(self) -> int:
        """How many requests have reached the messages endpoint."""
        return len(self.attempts)

    def reject(self, code: int) -> None:
        self.rejected[code] += 1

    @property
    def next_sequence(self) -> int:
        return len(self.messages) + 1

    def accept(self, message: Message) -> None:
        self.accepted_window.add(message.accepted_at)
        self.messages.append(message)
        self._by_wamid[message.wamid] = message
        self._states[message.state] += 1

    def advance(self, message: Message, state: State) -> bool:
        """Moves a message forward; False if it had already come as far."""
        reached = later(message.state, state)
        if reached is message.state:
            return False
        self._states[message.state] -= 1
        self._states[reached] += 1
        message.state = reached
        return True

    def write(self, citizen: Citizen, written: Written) -> None:
        self.written.append((citizen, written))
        self._written[written.wamid] = (citizen, written)

    def find_written(self, wamid: str) -> tuple[Citizen, Written] | None:
        return self._written.get(wamid)

    @property
    def delivered(self) -> int:
        """How many reached a phone; a message that was read did."""
        return self._states[State.DELIVERED] + self._states[State.READ]

    @property
    def inbound(self) -> int:
        """How many messages citizens have written."""
        return len(self.written)

    @property
    def read(self) -> int:
        return self._states[State.READ]

    @property
    def failed(self) -> int:
        return self._states[State.FAILED]
