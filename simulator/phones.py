"""Chats as the phones show them, for requests and for live streams, which cost nothing without watchers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from simulator.citizens import BusinessMessage, Citizen, UserMessage

MAX_WAITING_EVENTS = 2000
# Makes a watcher that is too slow for the stream read everything again.
OVERFLOW = b"event: overflow\ndata: {}\n\n"


def build_entry(number: int, message: BusinessMessage | UserMessage) -> dict[str, object]:
    """Describe one message of a chat as the citizen sees it; a button press refers to it by `message`."""
    received = message if isinstance(message, BusinessMessage) else None
    return {
        "id": number,
        "direction": "received" if received else "written",
        "type": message.type,
        "at": message.accepted_at if isinstance(message, BusinessMessage) else message.written_at,
        "state": message.state,
        **msgspec.structs.asdict(message.content),
        "message": received.sequence if received else None,
        "template": received.template if received else None,
    }


class Watcher:
    """One subscriber of a stream; `citizens` limits its events, None means all citizens."""

    def __init__(self, citizens: frozenset[int] | None) -> None:
        self.citizens = citizens
        self.closed = False
        self._waiting: list[bytes] = []
        self._filled = asyncio.Event()

    def wants(self, citizen: int) -> bool:
        return self.citizens is None or citizen in self.citizens

    def put(self, event: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self._waiting = [OVERFLOW]
        else:
            self._waiting.append(event)
        self._filled.set()

    def close(self) -> None:
        self.closed = True
        self._filled.set()

    async def wait_for_events(self) -> bytes:
        """Return all waiting events, at least one; b"" once closed."""
        await self._filled.wait()
        self._filled.clear()
        waiting, self._waiting = self._waiting, []
        return b"".join(waiting)


class Phones:
    """Chats of the phones, with live updates to watchers."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._closed = False

    @contextmanager
    def subscribe(self, citizens: frozenset[int] | None) -> Iterator[Watcher]:
        watcher = Watcher(citizens)
        self._watchers.add(watcher)
        if self._closed:
            watcher.close()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """End all streams, including those that start later."""
        self._closed = True
        for watcher in self._watchers:
            watcher.close()

    def show(self, citizen: Citizen, message: BusinessMessage | UserMessage) -> None:
        self._publish(citizen.id, citizen.show(message), message)

    def advance(self, citizen: Citizen, message: BusinessMessage | UserMessage) -> None:
        """Publish the new state of a message that is still in the chat."""
        if self._watchers:
            number = next((number for number, entry in reversed(citizen.chat) if entry is message), None)
            if number is not None:
                self._publish(citizen.id, number, message)

    def _publish(self, citizen: int, number: int, message: BusinessMessage | UserMessage) -> None:
        watchers = [watcher for watcher in self._watchers if watcher.wants(citizen)]
        if watchers:
            data = msgspec.json.encode({"citizen": citizen, "entry": build_entry(number, message)})
            for watcher in watchers:
                watcher.put(b"event: message\ndata: %b\n\n" % data)
