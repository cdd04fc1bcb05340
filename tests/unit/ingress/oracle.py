"""A second, independent reading of Meta's rules: the texts of a webhook that are intact.

It reads with Python's own JSON and knows nothing of the ingress but our number.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from tests.factories.webhooks import NUMBER_ID

MAX_TEXT_LENGTH = 4096
_SENDER = re.compile(r"\+?[0-9]{5,20}|[A-Z]{2}\.[\x21-\x7e]{1,150}")
_SECONDS = re.compile(r"[0-9]{1,13}")
_HALF = re.compile("[\ud800-\udfff]")
_LINES = "\t\n\r"
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_FIELDS = ("messages", "user_preferences")


def find_whole_texts(body: bytes) -> list[str]:
    """The texts for our number that are whole, in their order; none if the body is no JSON of WhatsApp's."""
    try:
        webhook = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(webhook, dict) or webhook.get("object") != "whatsapp_business_account":
        return []
    return [text for value in _list_values(webhook) for text in _list_texts(value)]


def _list_values(webhook: Any) -> Iterator[Any]:
    for entry in _filter_dicts(webhook.get("entry")):
        for change in _filter_dicts(entry.get("changes")):
            value = change.get("value")
            if change.get("field") in _FIELDS and isinstance(value, dict) and _is_ours(value.get("metadata")):
                yield value


def _is_ours(metadata: Any) -> bool:
    """Without a number it is for the only one there is."""
    if metadata is None:
        return True
    number = metadata.get("phone_number_id") if isinstance(metadata, dict) else ""
    return number is None or (_is_text_or_int(number) and str(number) == NUMBER_ID)


def _list_texts(value: Any) -> Iterator[str]:
    for message in _filter_dicts(value.get("messages")):
        if _is_whole(message):
            text = _HALF.sub("\ufffd", message["text"]["body"])[:MAX_TEXT_LENGTH]
            yield "".join(map(_clean, text))


def _clean(character: str) -> str:
    """Return what is left of it: a text of control characters alone is heard as an empty one."""
    if unicodedata.category(character) == "Cc" and character not in _LINES:
        return " " if character.isspace() else ""
    return "" if unicodedata.bidirectional(character) in _DIRECTIONS else character


def _is_whole(message: Any) -> bool:
    text, group = message.get("text"), message.get("group_id")
    return (
        message.get("type") == "text"
        and isinstance(message.get("id"), str)
        and (group is None or group == "")
        and isinstance(text, dict)
        and isinstance(text.get("body"), str)
        and _is_text_or_int(message.get("timestamp"))
        and bool(_SECONDS.fullmatch(str(message["timestamp"])))
        and any(_is_address(message.get(name)) for name in ("from", "from_user_id"))
    )


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and bool(_SENDER.fullmatch(value))


def _is_text_or_int(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _filter_dicts(values: Any) -> list[Any]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
