"""Phone numbers and user ids: recognition, changes, and encryption before they leave this process."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from services.ingress.webhook.decoding import ParseError, parse_timestamp
from services.ingress.webhook.payloads import Contact, WrittenMessage
from shared.contracts.inbound import IdentityChange
from shared.contracts.message import Address, Addresses, AddressKind

# Usually one; the limit avoids comparing each of 5,000 messages with a thousand contacts.
MAX_CONTACTS_PER_ADDRESS = 10
_USER = re.compile(r"[A-Z]{2}\.[\x21-\x7e]{1,150}")
_PHONE = re.compile(r"\+?[0-9]{5,20}")
CHANGE_TYPES = ("user_changed_number", "user_changed_user_id", "customer_changed_number")
_FROM_TO = re.compile(r"changed from (\S{5,160}) to (\S{5,160})$")


class Encrypt(Protocol):
    """Function that encrypts bytes so that they can be decrypted only with the same purpose and index."""

    def __call__(self, plain: bytes, *, purpose: str, index: bytes = b"") -> bytes: ...


class BlindIndex(Protocol):
    """Keyed hashes of a value for lookups; see shared.encryption."""

    def compute_index(self, purpose: str, value: str) -> bytes: ...

    def compute_other_indexes(self, purpose: str, value: str) -> tuple[bytes, ...]: ...

    def compute_base_index(self, purpose: str, value: str) -> bytes: ...


class Rules(Struct, frozen=True, kw_only=True):
    """Parameters of translation: our phone number, the time of receipt, and the encryption.

    Without `account_id`, events about any account count as ours.
    """

    phone_number_id: str
    account_id: str | None = None
    received_at: datetime
    encrypt: Encrypt
    index: BlindIndex


def build_addresses(values: Iterable[str | None], rules: Rules) -> Addresses:
    """Encrypt the first phone number and the first user id among the values. Raises ParseError if there is neither."""
    phone, user = pick_addresses(values)
    if phone is None and user is None:
        raise ParseError("neither a phone number nor a user id")
    number = phone and phone.removeprefix("+")
    return Addresses(
        phone=_encrypt_address(AddressKind.PHONE, number, rules),
        user=_encrypt_address(AddressKind.USER, user, rules),
        also=(
            *_list_other_indexes(AddressKind.PHONE, number, rules),
            *_list_other_indexes(AddressKind.USER, user, rules),
        ),
    )


def pick_addresses(values: Iterable[str | None]) -> tuple[str | None, str | None]:
    """Return the first phone number and the first user id as written."""
    phone = user = None
    for value in values:
        if value and _USER.fullmatch(value):
            user = user or value
        elif value and _PHONE.fullmatch(value):
            phone = phone or value
    return phone, user


class ContactIndex:
    """Contacts that a webhook lists with its messages, by each of their addresses."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._only = contacts[0] if len(contacts) == 1 else None
        self._by_address: dict[str, list[Contact]] = {}
        for contact in contacts if self._only is None else ():
            for value in {contact.wa_id, contact.user_id} - {None, ""}:
                same_address = self._by_address.setdefault(str(value), [])
                if len(same_address) < MAX_CONTACTS_PER_ADDRESS:
                    same_address.append(contact)

    def find_addresses(self, known: Sequence[str]) -> list[str]:
        """Return the addresses of the contacts with any of these; if none is known, those of a single contact."""
        if only := self._only:
            contacts = [only] if not known or only.wa_id in known or only.user_id in known else []
        else:
            contacts = [contact for value in known for contact in self._by_address.get(value, ())]
        return [value for contact in contacts for value in (contact.wa_id, contact.user_id) if value]


def resolve_sender(message: WrittenMessage, contacts: ContactIndex, rules: Rules) -> Addresses:
    """Return the sender's addresses, completed from the contacts of the same person."""
    own = [message.sender, message.from_user_id]
    if message.system is not None and message.type == "system":
        own.append(message.system.previous_user_id)
    known = [value for value in own if value]
    return build_addresses([*known, *contacts.find_addresses(known)], rules)


def find_identity_change(message: WrittenMessage, rules: Rules) -> IdentityChange | None:
    """Return the change of address that a system message reports, including its older shapes.

    Return None if the message is about something else, or lacks the old or the new address.
    """
    notice = message.system
    if message.type != "system" or notice is None or notice.type not in CHANGE_TYPES:
        return None
    match = _FROM_TO.search(notice.body or "")  # some notices have the addresses only in their text
    old, new = match.groups() if match else (None, None)
    after = {value for value in (notice.wa_id, notice.new_wa_id, notice.user_id, new) if value}
    candidates = (notice.previous_user_id, message.sender, message.from_user_id, old)
    before = [value for value in candidates if value and value not in after]
    if not before or not after:
        return None
    return IdentityChange(
        message_key=rules.index.compute_base_index("wamid", message.id),
        before=build_addresses(before, rules),
        after=build_addresses(sorted(after), rules),
        at=parse_timestamp(message.timestamp),
        received_at=rules.received_at,
    )


def _encrypt_address(kind: AddressKind, value: str | None, rules: Rules) -> Address | None:
    if value is None:
        return None
    index = rules.index.compute_index(kind, value)
    return Address(kind=kind, index=index, sealed=rules.encrypt(value.encode(), purpose=kind, index=index))


def _list_other_indexes(kind: AddressKind, value: str | None, rules: Rules) -> tuple[bytes, ...]:
    return rules.index.compute_other_indexes(kind, value) if value else ()
