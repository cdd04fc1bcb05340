"""Actions of citizens on their phones, and the webhooks that they cause."""

from dataclasses import dataclass
from typing import Any

from simulator.citizens import BusinessMessage, Citizen, PhoneButton, PhoneContent, UserMessage
from simulator.control.requests import ActionRequest
from simulator.identifiers import make_wamid
from simulator.parts import SimulatorParts
from simulator.webhooks.payloads import (
    ButtonPress,
    ChoicePayload,
    Context,
    CorrectionPayload,
    EditedMessagePayload,
    ErrorData,
    InteractiveReply,
    MessagePayload,
    ReactionPayload,
    SystemNoticePayload,
    TextPayload,
    Unsupported,
    WebhookError,
)

UNSUPPORTED = WebhookError(
    code=131051,
    title="Message type unknown",
    message="Message type unknown",
    error_data=ErrorData("Message type is currently not supported."),
)
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
DETAILS: dict[str, dict[str, object]] = {"voice": {"voice": True}, "document": {"filename": "Dokument.pdf"}}
FRIEND: dict[str, object] = {
    "name": {"formatted_name": "Nachbarin", "first_name": "Nachbarin"},
    "phones": [{"phone": "+49 30 23125999", "type": "CELL"}],
}
KREISHAUS = {"latitude": 53.227, "longitude": 8.795, "name": "Kreishaus", "address": "Osterholz-Scharmbeck"}


class CitizenActionError(ValueError):
    """Raised when the citizen cannot do this; the text says why."""


@dataclass
class CitizenActions:
    """Actions of citizens: write, press, react, change number, set preferences."""

    parts: SimulatorParts

    def write(self, citizen: Citizen, act: ActionRequest) -> str:
        """Perform one action and queue its webhook; return the message id.

        Raises CitizenActionError if the action is not possible.
        """
        message, content = self._compose(citizen, act)
        now = self.parts.clock()
        message.id = make_wamid(citizen.address, self.parts.serials.issue(), outgoing=False)
        message.timestamp = str(int(now))
        written = UserMessage(message.id, message.type, content, now)
        citizen.open_window(now)
        self.parts.message_log.write(citizen, written)
        self.parts.phones.show(citizen, written)
        self.parts.notifier.notify_message(citizen, message, lambda: self._mark_answered(written))
        return message.id

    def _mark_answered(self, written: UserMessage) -> None:
        # Duplicates of a webhook are answered too; the business knew of the message from the first answer on.
        written.answered_at = written.answered_at or self.parts.clock()

    def change_number(self, citizen: Citizen, *, older_shape: bool = False) -> None:
        """Move the citizen to a new number; the user id changes with it.

        `older_shape` reports it as Meta did before user ids existed, which needs a number: raises CitizenActionError if
        the citizen shares none.
        """
        phone, user_id, shares = citizen.phone, citizen.user_id, citizen.shares_phone
        if older_shape and not shares:
            raise CitizenActionError("the older shape names numbers, and this citizen does not share one")
        self.parts.citizens.assign_new_number(citizen)
        if older_shape:
            body = f"User {citizen.name} changed from {phone} to {citizen.phone}"
            moved = SystemNoticePayload(type="customer_changed_number", body=body, new_wa_id=citizen.phone)
            self.parts.notifier.notify_number_change(self._build_system_message(citizen, phone, None, moved))
            return
        before, after = (phone, citizen.phone) if shares else (user_id, citizen.user_id)
        notice = SystemNoticePayload(
            type="user_changed_number" if shares else "user_changed_user_id",
            body=f"User {citizen.name} changed from {before} to {after}",
            user_id=citizen.user_id,
            previous_user_id=user_id,
            wa_id=citizen.phone if shares else None,
        )
        self.parts.notifier.notify_number_change(
            self._build_system_message(citizen, phone if shares else None, user_id, notice)
        )

    def _build_system_message(
        self, citizen: Citizen, phone: str | None, user_id: str | None, notice: SystemNoticePayload
    ) -> MessagePayload:
        return MessagePayload(
            id=make_wamid(citizen.address, self.parts.serials.issue(), outgoing=False),
            timestamp=str(int(self.parts.clock())),
            type="system",
            from_=phone,
            from_user_id=user_id,
            system=notice,
        )

    def prefer(self, citizen: Citizen, value: str) -> None:
        """Record that the citizen stopped or resumed marketing messages in the app, and notify the business."""
        citizen.marketing_stopped = value == "stop"
        self.parts.notifier.notify_preference(citizen, value)

    def _compose(self, citizen: Citizen, act: ActionRequest) -> tuple[MessagePayload, PhoneContent]:
        acts = [name for name in ACTS if getattr(act, name) is not None]
        if len(acts) != 1:
            raise CitizenActionError(f"exactly one of {', '.join(ACTS)} is needed")
        if act.button is not None:
            return self._press(citizen, act.button, act.message)
        if act.reaction is not None:
            return self._react(citizen, act.reaction, act.message)
        if act.edit is not None:
            return self._edit(citizen, act.edit)
        return self._revoke(citizen) if act.revoke else _build_plain(act)

    def _press(self, citizen: Citizen, button: str, sequence: int | None) -> tuple[MessagePayload, PhoneContent]:
        message, pressed = self._find_button(citizen, button, sequence)
        context = Context(from_=self.parts.settings.display_phone_number, id=message.wamid)
        if pressed.kind == "template":
            press = ButtonPress(payload=pressed.id, text=pressed.title)
            return _build_inbound("button", context=context, button=press), PhoneContent(pressed.title)
        choice = ChoicePayload(pressed.id, pressed.title, pressed.description or None)
        reply = InteractiveReply(pressed.kind)
        setattr(reply, pressed.kind, choice)
        return _build_inbound("interactive", context=context, interactive=reply), PhoneContent(pressed.title)

    def _find_button(self, citizen: Citizen, button: str, sequence: int | None) -> tuple[BusinessMessage, PhoneButton]:
        """Return the button and its message: message `sequence`, or else the newest message that has the button."""
        for message in self._list_received(citizen, sequence):
            for candidate in message.content.buttons:
                if candidate.id == button and candidate.id:
                    return message, candidate
        raise CitizenActionError("the phone shows no such button")

    def _react(self, citizen: Citizen, emoji: str, sequence: int | None) -> tuple[MessagePayload, PhoneContent]:
        message = next(iter(self._list_received(citizen, sequence)), None)
        if message is None:
            raise CitizenActionError("the phone shows no such message")
        return _build_inbound("reaction", reaction=ReactionPayload(message.wamid, emoji)), PhoneContent(emoji)

    def _edit(self, citizen: Citizen, text: str) -> tuple[MessagePayload, PhoneContent]:
        original = self._find_written(citizen, ("text",))
        edited = CorrectionPayload(original.wamid, EditedMessagePayload("text", TextPayload(text)))
        return _build_inbound("edit", edit=edited), PhoneContent(text, header="[edit]")

    def _revoke(self, citizen: Citizen) -> tuple[MessagePayload, PhoneContent]:
        original = self._find_written(citizen, REVOCABLE)
        return _build_inbound("revoke", revoke=CorrectionPayload(original.wamid)), PhoneContent(
            original.content.text, header="[revoke]"
        )

    def _find_written(self, citizen: Citizen, types: tuple[str, ...]) -> UserMessage:
        """Return the citizen's newest message of one of these types; raise CitizenActionError if there is none."""
        for _, message in reversed(citizen.chat):
            if isinstance(message, UserMessage) and message.type in types:
                return message
        raise CitizenActionError("the citizen wrote no such message")

    def _list_received(self, citizen: Citizen, sequence: int | None) -> list[BusinessMessage]:
        """Return the messages that the citizen received, newest first; only the one with this sequence if given."""
        shown = (message for _, message in reversed(citizen.chat) if isinstance(message, BusinessMessage))
        return [message for message in shown if sequence is None or message.sequence == sequence]


def _build_plain(act: ActionRequest) -> tuple[MessagePayload, PhoneContent]:
    """Build an action that refers to no other message."""
    context = Context(forwarded=True) if act.forwarded else None
    if act.text is not None:
        return _build_inbound("text", text=TextPayload(act.text), context=context), PhoneContent(act.text)
    if act.media is not None:
        media = {"id": "8001", "mime_type": MIME_TYPES[act.media], "sha256": SHA256_OF_NOTHING}
        kind = "audio" if act.media == "voice" else act.media
        message = _build_inbound(kind, context=context)
        setattr(message, kind, {**media, **DETAILS.get(act.media, {})})
        return message, PhoneContent("", header=f"[{kind}]")
    if act.location is not None:
        return _build_inbound("location", location=KREISHAUS), PhoneContent("Kreishaus", header="[location]")
    if act.contact is not None:
        return _build_inbound("contacts", contacts=[FRIEND]), PhoneContent("Nachbarin", header="[contacts]")
    unsupported = act.unsupported or "unknown"
    message = _build_inbound("unsupported", errors=[UNSUPPORTED])
    message.unsupported = Unsupported(unsupported)
    return message, PhoneContent("", header=f"[{unsupported}]")


def _build_inbound(kind: str, **content: Any) -> MessagePayload:
    """Build a message whose id and timestamp are filled in later."""
    return MessagePayload(id="", timestamp="", type=kind, **content)
