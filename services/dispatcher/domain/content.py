"""Bodies for the Graph API, without the characters and spaces that WhatsApp forbids.

Limits: Meta, "Messages" and "Templates" (December 2025); see docs/decisions.
"""

import re
from collections.abc import Sequence
from typing import Any

from shared.contracts.dispatch import ReplyButton, ReplyMenu, ReplyRow, Template
from shared.contracts.message import AddressKind

MAX_BODY_LENGTH = 1024
MAX_TEXT_LENGTH = 4096
MAX_BUTTON_TITLE_LENGTH = 20
MAX_BUTTONS = 3
MAX_LIST_ROWS = 10
MAX_ROW_TITLE_LENGTH = 24
MAX_ROW_DESCRIPTION_LENGTH = 72
MAX_PARAMETER_LENGTH = 900

_BREAKS = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]+")
_SPACES = re.compile(r" {2,}")
# Control characters except line feeds and tabs, and lone surrogates: neither PostgreSQL nor Meta accepts them.
_UNSENDABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class ContentError(ValueError):
    """Error: Meta would refuse this message for any recipient. The text names the part, not its content."""


def clean_parameter(text: str) -> str:
    """Return a template parameter without line breaks, tabs and runs of spaces (Meta's error 132018)."""
    return _SPACES.sub(" ", _BREAKS.sub(" ", text)).strip()


def build_template_body(template: Template) -> dict[str, Any]:
    """Return the part of the request that is the same for all recipients. Raises ContentError."""
    parameters = [_build_parameter(parameter.name, parameter.text) for parameter in template.parameters]
    if sum(len(parameter["text"]) for parameter in parameters) > MAX_BODY_LENGTH:
        raise ContentError(f"the parameters together are longer than {MAX_BODY_LENGTH} characters")
    components: list[dict[str, Any]] = []
    if template.picture:
        picture = {"type": "image", "image": {"link": template.picture}}
        components.append({"type": "header", "parameters": [picture]})
    if parameters:
        components.append({"type": "body", "parameters": parameters})
    for index, payload in enumerate(template.quick_replies):
        button = {"type": "button", "sub_type": "quick_reply", "index": str(index)}
        components.append({**button, "parameters": [{"type": "payload", "payload": payload}]})
    reference = {"name": template.name, "language": {"code": template.language}, "components": components}
    return {"type": "template", "template": reference}


def _build_parameter(name: str, text: str) -> dict[str, str]:
    cleaned = clean_parameter(text)
    if not cleaned:
        raise ContentError(f"parameter {name} is empty")
    if len(cleaned) > MAX_PARAMETER_LENGTH:
        raise ContentError(f"parameter {name} is longer than {MAX_PARAMETER_LENGTH} characters")
    return {"type": "text", "parameter_name": name, "text": cleaned}


def build_reply_body(text: str, buttons: Sequence[ReplyButton], menu: ReplyMenu | None = None) -> dict[str, Any]:
    """Return the body of a text, with up to three buttons or with a list. Raises ContentError."""
    text = _UNSENDABLE.sub("", text)
    limit = MAX_BODY_LENGTH if buttons or menu else MAX_TEXT_LENGTH
    if not 0 < len(text) <= limit:
        raise ContentError(f"a reply has 1 to {limit} characters")
    if menu:
        return _build_list(text, menu)
    if not buttons:
        return {"type": "text", "text": {"preview_url": False, "body": text}}
    if len(buttons) > MAX_BUTTONS or any(len(button.title) > MAX_BUTTON_TITLE_LENGTH for button in buttons):
        raise ContentError(f"at most {MAX_BUTTONS} buttons of {MAX_BUTTON_TITLE_LENGTH} characters")
    rows = [{"type": "reply", "reply": {"id": button.id, "title": button.title}} for button in buttons]
    return _build_interactive("button", text, {"buttons": rows})


def _build_list(text: str, menu: ReplyMenu) -> dict[str, Any]:
    rows = [row for section in menu.sections for row in section.rows]
    if not 0 < len(rows) <= MAX_LIST_ROWS or len(menu.button) > MAX_BUTTON_TITLE_LENGTH:
        raise ContentError(f"a list has 1 to {MAX_LIST_ROWS} rows and a button of {MAX_BUTTON_TITLE_LENGTH} characters")
    titles = [*(row.title for row in rows), *(section.title for section in menu.sections)]
    if any(len(title) > MAX_ROW_TITLE_LENGTH for title in titles):
        raise ContentError(f"a title in a list has at most {MAX_ROW_TITLE_LENGTH} characters")
    if any(len(row.description) > MAX_ROW_DESCRIPTION_LENGTH for row in rows):
        raise ContentError(f"a description in a list has at most {MAX_ROW_DESCRIPTION_LENGTH} characters")
    sections = [{"title": section.title, "rows": list(map(_build_row, section.rows))} for section in menu.sections]
    return _build_interactive("list", text, {"button": menu.button, "sections": sections})


def _build_interactive(interactive_type: str, text: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": interactive_type, "body": {"text": text}, "action": action}}


def _build_row(row: ReplyRow) -> dict[str, str]:
    description = {"description": row.description} if row.description else {}
    return {"id": row.id, "title": row.title, **description}


def build_recipient_fields(kind: AddressKind, value: str) -> dict[str, str]:
    """Return `to` with a plus sign for numbers (without it Meta may prepend our own country), else `recipient`."""
    if kind is AddressKind.PHONE:
        return {"to": f"+{value.removeprefix('+')}"}
    return {"recipient": value}
