"""Batches of several updates in one POST, encoded and signed as Meta does."""

import hmac
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

MAX_BYTES, MAX_UPDATES = 3_000_000, 1000
# Allowances for the JSON around all items, and around one.
ENVELOPE_BYTES = 1000
ITEM_BYTES = 40

Json = dict[str, Any]
UpdateKind = Literal["messages", "statuses", "user_preferences", "change"]
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
FIELD_BY_KIND = {"statuses": b"messages", "messages": b"messages", "user_preferences": b"user_preferences"}
HEADER = "X-Hub-Signature-256"


class Update(Struct, frozen=True, gc=False):
    """One item of a webhook, encoded for the wire; `change` is a whole item of `entry[]` but for the account's id.

    `on_accepted` is called when the business has answered the POST with 200.
    """

    kind: UpdateKind
    item: bytes
    contact: bytes | None = None
    on_accepted: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        return len(self.item) + len(self.contact or b"") + ITEM_BYTES


def encode_update(
    kind: UpdateKind,
    item: Mapping[str, object],
    contact: Mapping[str, object] | None = None,
    on_accepted: Callable[[], None] | None = None,
) -> Update:
    """Encode an update once; it may be sent several times. Fields that are None are omitted."""
    return Update(kind, _encode_json(item), None if contact is None else _encode_json(contact), on_accepted)


def drop_none(fields: Mapping[str, Any]) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _encode_json(fields: Mapping[str, object]) -> bytes:
    return escape(msgspec.json.encode(drop_none(fields)))


def take_batch(waiting: deque[Update], max_updates: int = MAX_UPDATES) -> list[Update]:
    """Remove from the front as many updates as fit into one POST: at least one if any are waiting."""
    batch: list[Update] = []
    size = ENVELOPE_BYTES
    while waiting and len(batch) < max_updates:
        size += waiting[0].size
        if batch and size > MAX_BYTES:
            break
        batch.append(waiting.popleft())
    return batch


class WebhookEnvelope:
    """Composer of bodies for one business number."""

    def __init__(self, *, account_id: str, phone_number_id: str, display_phone_number: str) -> None:
        metadata = {"display_phone_number": display_phone_number, "phone_number_id": phone_number_id}
        self._entry = b'{"id":"%b",' % account_id.encode()
        self._value = b'"value":{"messaging_product":"whatsapp","metadata":%b' % _encode_json(metadata)

    def compose(self, batch: Sequence[Update]) -> bytes:
        """Return the body of one POST; items of the same kind share one change, except those of kind `change`."""
        entries = [self._entry + update.item[1:] for update in batch if update.kind == "change"]
        if changes := b",".join(self._encode_changes(batch)):
            entries.append(b'%b"changes":[%b]}' % (self._entry, changes))
        return b'{"object":"whatsapp_business_account","entry":[%b]}' % b",".join(entries)

    def _encode_changes(self, batch: Sequence[Update]) -> Iterator[bytes]:
        for kind, field in FIELD_BY_KIND.items():
            if updates := [update for update in batch if update.kind == kind]:
                contacts = dict.fromkeys(update.contact for update in updates if update.contact is not None)
                contact_list = b',"contacts":[%b]' % b",".join(contacts) if contacts else b""
                items = b",".join(update.item for update in updates)
                yield b'{"field":"%b",%b%b,"%b":[%b]}}' % (field, self._value, contact_list, kind.encode(), items)


def escape(encoded: bytes) -> bytes:
    """Return the same JSON with `ä` as `\\u00e4`, an emoji as a surrogate pair and `/` as `\\/`."""
    # Neither can occur outside a string in JSON, so no parsing is needed.
    escaped = encoded.replace(b"/", b"\\/") if b"/" in encoded else encoded
    return escaped if escaped.isascii() else NOT_ASCII.sub(_escape, escaped.decode()).encode()


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))


def sign(secret: bytes, body: bytes) -> str:
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"
