"""Interface of a notice publisher."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem


class EventRefused(Exception):
    """Error: the event was validated and rejected for good; do not repeat it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = problems


class NoticePublisher(Protocol):
    """An open connection to Kreisfunk that publishes notice events."""

    async def publish(self, event: bytes, envelope: Envelope) -> None:
        """Publish and return once Kreisfunk has stored the event.

        Raises DependencyUnavailable (publish the same event again later) or EventRefused. `envelope` is the envelope of
        `event`. Publishing the same event again does no harm.
        """


OpenPublisher = Callable[[], AbstractAsyncContextManager[NoticePublisher]]
