"""What the phones show, for readers and for watchers."""

from typing import Literal

from msgspec import Struct

from simulator.citizens import Button, Citizen, Message, Written
from simulator.events import Hub


class Entry(Struct, frozen=True):
    """One line of a chat, seen from the citizen; `message` is what a button press refers to."""

    id: int
    direction: Literal["received", "written"]
    type: str
    text: str
    at: float
    state: str
    header: str = ""
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    message: int | None = None
    template: str | None = None


class Shown(Struct, frozen=True):
    citizen: int
    entry: Entry


def entry(number: int, message: Message | Written) -> Entry:
    content = message.content
    received = isinstance(message, Message)
    return Entry(
        id=number,
        direction="received" if received else "written",
        type=message.type,
        text=content.text,
        at=message.accepted_at if isinstance(message, Message) else message.written_at,
        state=message.state.value,
        header=content.header,
        footer=content.footer,
        buttons=content.buttons,
        message=message.sequence if isinstance(message, Message) else None,
        template=message.template if isinstance(message, Message) else None,
    )


def entries(citizen: Citizen) -> list[Entry]:
    """The chat in order, as far back as the phone remembers."""
    return [entry(number, message) for number, message in citizen.chat]


class Phones:
    """Keeps the phones and tells the watchers."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def show(self, citizen: Citizen, message: Message | Written) -> None:
        number = citizen.show(message)
        if self._hub.watched(citizen.id):
            self._hub.publish(citizen.id, "message", Shown(citizen.id, entry(number, message)))

    def advance(self, citizen: Citizen, message: Message | Written) -> None:
        """Tells the new state of a message that the phone still remembers."""
        if not self._hub.watched(citizen.id):
            return
        for number, shown in reversed(citizen.chat):
            if shown is message:
                self._hub.publish(citizen.id, "message", Shown(citizen.id, entry(number, message)))
                return
