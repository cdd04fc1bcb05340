"""Content of a message: its text, the id of the tapped button or row, and the message that it refers to."""

from typing import NamedTuple

from services.ingress.webhook.payloads import (
    Button,
    Choice,
    Correction,
    EditedMessage,
    FlowReply,
    Interactive,
    Reaction,
    TextBody,
    WrittenMessage,
)
from shared.contracts.text import strip_controls

MAX_TEXT_LENGTH = 4096
MAX_WORD_LENGTH = 256


class Content(NamedTuple):
    """Content of a message; `about` is a wamid, to be hashed before it leaves this process."""

    text: str | None = None
    payload: str | None = None
    about: str | None = None


def extract_content(message: WrittenMessage) -> Content:
    """Return the content, cut to WhatsApp's own limits; none for a system message, whose text contains addresses."""
    text, payload, about = _extract_parts(message)
    if about is None and message.context is not None:
        about = message.context.id
    return Content(truncate(text, MAX_TEXT_LENGTH), truncate(payload, MAX_WORD_LENGTH), about or None)


def truncate(text: str | None, length: int) -> str | None:
    """Return at most `length` characters, without control characters."""
    return text if text is None else strip_controls(text[:length])


def _extract_parts(message: WrittenMessage) -> Content:
    match message:
        case WrittenMessage(text=TextBody(body=body)):
            return Content(body)
        case WrittenMessage(button=Button(text=text, payload=payload)):
            return Content(text, payload)
        case WrittenMessage(interactive=Interactive(button_reply=Choice(id=identifier, title=title))):
            return Content(title, identifier)
        case WrittenMessage(interactive=Interactive(list_reply=Choice(id=identifier, title=title))):
            return Content(title, identifier)
        case WrittenMessage(interactive=Interactive(nfm_reply=FlowReply(body=body))):
            return Content(body)
        case WrittenMessage(reaction=Reaction(message_id=about, emoji=emoji)):
            return Content(emoji, None, about)
        case WrittenMessage(edit=Correction() as change) | WrittenMessage(revoke=Correction() as change):
            return _extract_correction(change)
        case _:
            return Content(_get_caption(message))


def _get_caption(message: WrittenMessage | EditedMessage) -> str | None:
    media = message.image or message.video or message.document
    return media.caption if media else None


def _extract_correction(change: Correction) -> Content:
    edited = change.message
    text = None if edited is None else edited.text.body if edited.text else _get_caption(edited)
    return Content(text, None, change.original_message_id)
