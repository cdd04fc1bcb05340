"""Chats as the phones show them, for requests and for the live stream."""

from typing import Literal

from msgspec import Struct

from simulator.citizens import BusinessMessage, Citizen, PhoneButton, UserMessage
from simulator.events import EventHub


class ChatEntry(Struct, frozen=True):
    """One message in a chat, from the citizen's point of view; a button press refers to it by `message`."""

    id: int
    direction: Literal["received", "written"]
    type: str
    text: str
    at: float
    state: str
    header: str = ""
    footer: str = ""
    buttons: tuple[PhoneButton, ...] = ()
    message: int | None = None
    template: str | None = None


class ChatUpdate(Struct, frozen=True):
    citizen: int
    entry: ChatEntry


def build_entry(number: int, message: BusinessMessage | UserMessage) -> ChatEntry:
    content = message.content
    received = isinstance(message, BusinessMessage)
    return ChatEntry(
        id=number,
        direction="received" if received else "written",
        type=message.type,
        text=content.text,
        at=message.accepted_at if isinstance(message, BusinessMessage) else message.written_at,
        state=message.state.value,
        header=content.header,
        footer=content.footer,
        buttons=content.buttons,
        message=message.sequence if isinstance(message, BusinessMessage) else None,
        template=message.template if isinstance(message, BusinessMessage) else None,
    )


def list_entries(citizen: Citizen) -> list[ChatEntry]:
    """Return the chat in order, as far back as the phone stores it."""
    return [build_entry(number, message) for number, message in citizen.chat]


class Phones:
    """Chats of the phones, with live updates to watchers."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    def show(self, citizen: Citizen, message: BusinessMessage | UserMessage) -> None:
        number = citizen.show(message)
        if self._hub.is_watched(citizen.id):
            self._hub.publish(citizen.id, "message", ChatUpdate(citizen.id, build_entry(number, message)))

    def advance(self, citizen: Citizen, message: BusinessMessage | UserMessage) -> None:
        """Publish the new state of a message that is still in the chat."""
        if not self._hub.is_watched(citizen.id):
            return
        for number, shown in reversed(citizen.chat):
            if shown is message:
                self._hub.publish(citizen.id, "message", ChatUpdate(citizen.id, build_entry(number, message)))
                return
