"""Actions of citizens on their phones, and the webhooks that they cause."""

from dataclasses import dataclass
from typing import Any

from simulator.access import ControlError
from simulator.citizens import BusinessMessage, Citizen, PhoneButton, PhoneContent, UserMessage
from simulator.control.requests import ActionRequest
from simulator.identifiers import make_wamid
from simulator.parts import SimulatorParts
from simulator.webhooks.batches import Json, drop_none

SERVICE_WINDOW_SECONDS = 24 * 3600
UNSUPPORTED = {
    "code": 131051,
    "title": "Message type unknown",
    "message": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."},
}
MIME_TYPES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}
ACTS = ("text", "button", "reaction", "media", "location", "contact", "edit", "revoke", "unsupported")
REVOCABLE = ("text", "image", "video", "audio", "document", "sticker", "location", "contacts")
SHA256_OF_NOTHING = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
DETAILS: dict[str, Json] = {"voice": {"voice": True}, "document": {"filename": "Dokument.pdf"}}
FRIEND: Json = {
    "name": {"formatted_name": "Nachbarin", "first_name": "Nachbarin"},
    "phones": [{"phone": "+49 30 23125999", "type": "CELL"}],
}
KREISHAUS = {"latitude": 53.227, "longitude": 8.795, "name": "Kreishaus", "address": "Osterholz-Scharmbeck"}

# An item of a webhook's `messages[]` without id, time and sender, and its content on the phone.
Composed = tuple[Json, PhoneContent]


@dataclass
class CitizenActions:
    """Actions of citizens: write, press, react, change number, set preferences."""

    parts: SimulatorParts

    def write(self, citizen: Citizen, action: ActionRequest) -> str:
        """Perform one action and queue its webhook; return the message id.

        Raises ControlError if the action is not possible.
        """
        fields, content = self._compose(citizen, action)
        item = {**self._identify(citizen), **fields}
        message = UserMessage(item["id"], item["type"], content, self.parts.clock())
        citizen.window_until = message.written_at + SERVICE_WINDOW_SECONDS
        self.parts.message_log.written.append((citizen, message))
        self.parts.phones.show(citizen, message)
        self.parts.notifier.notify_message(citizen, item, lambda: self._mark_answered(message))
        return message.wamid

    def _identify(self, citizen: Citizen) -> Json:
        wamid = make_wamid(citizen.address, next(self.parts.serials), outgoing=False)
        return {"id": wamid, "timestamp": str(int(self.parts.clock()))}

    def _mark_answered(self, message: UserMessage) -> None:
        # Duplicates of a webhook are answered, too, but only the first answer counts.
        message.answered_at = message.answered_at or self.parts.clock()

    def change_number(self, citizen: Citizen, *, older_shape: bool = False) -> None:
        """Move the citizen to a new number; the user id changes with it.

        `older_shape` reports it as Meta did before user ids existed, which needs a number: raises ControlError if the
        citizen shares none.
        """
        phone, user_id, shares = citizen.phone, citizen.user_id, citizen.shares_phone
        if older_shape and not shares:
            raise ControlError(409, "the older shape contains phone numbers, and this citizen does not share one")
        self.parts.citizens.assign_new_number(citizen)
        before, after = (phone, citizen.phone) if shares else (user_id, citizen.user_id)
        body = f"User {citizen.name} changed from {before} to {after}"
        if older_shape:
            sender: Json = {"from": phone}
            notice: Json = {"type": "customer_changed_number", "body": body, "new_wa_id": citizen.phone}
        else:
            sender = drop_none({"from": phone if shares else None, "from_user_id": user_id})
            notice = drop_none(
                {
                    "type": "user_changed_number" if shares else "user_changed_user_id",
                    "body": body,
                    "user_id": citizen.user_id,
                    "previous_user_id": user_id,
                    "wa_id": citizen.phone if shares else None,
                }
            )
        message = {**sender, **self._identify(citizen), "type": "system", "system": notice}
        self.parts.notifier.notify_number_change(message)

    def prefer(self, citizen: Citizen, value: str) -> None:
        """Record that the citizen stopped or resumed marketing messages in the app, and notify the business."""
        citizen.marketing_stopped = value == "stop"
        self.parts.notifier.notify_preference(citizen, value)

    def _compose(self, citizen: Citizen, action: ActionRequest) -> Composed:
        actions = [name for name in ACTS if getattr(action, name) is not None]
        if len(actions) != 1:
            raise ControlError(409, f"exactly one of {', '.join(ACTS)} is needed")
        if action.button is not None:
            return self._press(citizen, action.button, action.message)
        if action.reaction is not None:
            return self._react(citizen, action.reaction, action.message)
        if action.edit is not None:
            wamid = _find_written(citizen, ("text",)).wamid
            edit = {"original_message_id": wamid, "message": {"type": "text", "text": {"body": action.edit}}}
            return {"type": "edit", "edit": edit}, PhoneContent(action.edit, header="[edit]")
        if action.revoke:
            original = _find_written(citizen, REVOCABLE)
            content = PhoneContent(original.content.text, header="[revoke]")
            return {"type": "revoke", "revoke": {"original_message_id": original.wamid}}, content
        return _compose_plain(action)

    def _press(self, citizen: Citizen, button_id: str, sequence: int | None) -> Composed:
        message, button = _find_button(citizen, button_id, sequence)
        context = {"from": self.parts.settings.display_phone_number, "id": message.wamid}
        if button.kind == "template":
            content: Json = {"type": "button", "button": {"payload": button.id, "text": button.title}}
        else:
            choice = {"id": button.id, "title": button.title, "description": button.description or None}
            reply = {"type": button.kind, button.kind: drop_none(choice)}
            content = {"type": "interactive", "interactive": reply}
        return {**content, "context": context}, PhoneContent(button.title)

    def _react(self, citizen: Citizen, emoji: str, sequence: int | None) -> Composed:
        message = next(iter(_list_received(citizen, sequence)), None)
        if message is None:
            raise ControlError(409, "the phone shows no such message")
        reaction = {"message_id": message.wamid, "emoji": emoji}
        return {"type": "reaction", "reaction": reaction}, PhoneContent(emoji)


def _find_button(citizen: Citizen, button_id: str, sequence: int | None) -> tuple[BusinessMessage, PhoneButton]:
    """Return the button and its message: message `sequence`, or else the newest message that has the button."""
    for message in _list_received(citizen, sequence):
        for button in message.content.buttons:
            if button.id == button_id and button.id:
                return message, button
    raise ControlError(409, "the phone shows no such button")


def _find_written(citizen: Citizen, types: tuple[str, ...]) -> UserMessage:
    """Return the citizen's newest message of one of these types; raise ControlError if there is none."""
    for _, message in reversed(citizen.chat):
        if isinstance(message, UserMessage) and message.type in types:
            return message
    raise ControlError(409, "the citizen wrote no such message")


def _list_received(citizen: Citizen, sequence: int | None) -> list[BusinessMessage]:
    """Return the messages that the citizen received, newest first; only the one with `sequence`, if given."""
    received = (message for _, message in reversed(citizen.chat) if isinstance(message, BusinessMessage))
    return [message for message in received if sequence is None or message.sequence == sequence]


def _compose_plain(action: ActionRequest) -> Composed:
    """Compose an action that refers to no other message."""
    context: dict[str, Any] = {"context": {"forwarded": True}} if action.forwarded else {}
    if action.text is not None:
        return {"type": "text", "text": {"body": action.text}, **context}, PhoneContent(action.text)
    if action.media is not None:
        media = {"id": "8001", "mime_type": MIME_TYPES[action.media], "sha256": SHA256_OF_NOTHING}
        message_type: str = "audio" if action.media == "voice" else action.media
        content = {**media, **DETAILS.get(action.media, {})}
        return {"type": message_type, message_type: content, **context}, PhoneContent("", header=f"[{message_type}]")
    if action.location is not None:
        return {"type": "location", "location": KREISHAUS}, PhoneContent("Kreishaus", header="[location]")
    if action.contact is not None:
        return {"type": "contacts", "contacts": [FRIEND]}, PhoneContent("Nachbarin", header="[contacts]")
    message_type = action.unsupported or "unknown"
    message = {"type": "unsupported", "errors": [UNSUPPORTED], "unsupported": {"type": message_type}}
    return message, PhoneContent("", header=f"[{message_type}]")
