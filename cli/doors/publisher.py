"""What a way in can do."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem


class EventRefused(Exception):
    """The door looked at the event and will not have it, now or later."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = problems


class NoticePublisher(Protocol):
    """An open way in."""

    async def publish(self, event: bytes, envelope: Envelope) -> None:
        """Return when Kreisfunk has stored it. Raises DependencyUnavailable (publish the same again later) or Refused.

        `envelope` is what `event` says. The same event may be published again without harm.
        """


OpenPublisher = Callable[[], AbstractAsyncContextManager[NoticePublisher]]
