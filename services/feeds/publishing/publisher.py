"""Interface of a notice publisher."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.contracts.envelope import Envelope


class NoticePublisher(Protocol):
    """An open connection to Kreisfunk that publishes notice events."""

    async def publish(self, event: bytes, envelope: Envelope) -> None:
        """Publish and return once Kreisfunk has stored the event.

        Raises DependencyUnavailable; publishing the same event again does no harm. `envelope` is the envelope of
        `event`.
        """


OpenPublisher = Callable[[], AbstractAsyncContextManager[NoticePublisher]]
