"""Which address is what, and sealing it before it leaves this process."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from services.ingress.domain.decoding import ParseError
from services.ingress.domain.payloads import Contact, WrittenMessage
from shared.contracts.message import Address, Addresses, AddressKind

# One is usual; so that not each of 5,000 messages is compared with a thousand.
MAX_CONTACTS_PER_ADDRESS = 10
_USER = re.compile(r"[A-Z]{2}\.[\x21-\x7e]{1,150}")
_PHONE = re.compile(r"\+?[0-9]{5,20}")


class Encrypt(Protocol):
    """Seals bytes so that they open only with the same purpose and index."""

    def __call__(self, plain: bytes, *, purpose: str, index: bytes = b"") -> bytes: ...


class BlindIndex(Protocol):
    """The keyed hashes of a value, to look it up by; see shared.encryption."""

    def compute_index(self, purpose: str, value: str) -> bytes: ...

    def compute_other_indexes(self, purpose: str, value: str) -> tuple[bytes, ...]: ...

    def compute_base_index(self, purpose: str, value: str) -> bytes: ...


class Rules(Struct, frozen=True, kw_only=True):
    """What translation needs to know: our number, the moment, and how to seal.

    Without `account_id` what is said about any account is taken for ours.
    """

    phone_number_id: str
    account_id: str | None = None
    received_at: datetime
    encrypt: Encrypt
    index: BlindIndex


def build_addresses(values: Iterable[str | None], rules: Rules) -> Addresses:
    """The first phone number and the first user id among the values. Raises ParseError without any."""
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
    """Return the first phone number and the first user id as they are written."""
    phone = user = None
    for value in values:
        if value and _USER.fullmatch(value):
            user = user or value
        elif value and _PHONE.fullmatch(value):
            phone = phone or value
    return phone, user


class ContactIndex:
    """The contacts beside messages, by each of their addresses."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._only = contacts[0] if len(contacts) == 1 else None
        self._of: dict[str, list[Contact]] = {}
        for contact in contacts if self._only is None else ():
            for value in {contact.wa_id, contact.user_id} - {None, ""}:
                same = self._of.setdefault(str(value), [])
                if len(same) < MAX_CONTACTS_PER_ADDRESS:
                    same.append(contact)

    def find(self, known: Sequence[str]) -> list[Contact]:
        """Return what is said about somebody with these addresses; of nobody known, the only contact there is."""
        if only := self._only:
            return [only] if not known or only.wa_id in known or only.user_id in known else []
        return [contact for value in known for contact in self._of.get(value, ())]

    def complete(self, known: Sequence[str]) -> list[str]:
        """Return the addresses with those that stand here of the same person, if any do."""
        said = [value for contact in self.find(known) for value in (contact.wa_id, contact.user_id) if value]
        return [*known, *said] if said else []


def resolve_sender(message: WrittenMessage, beside: ContactIndex, rules: Rules) -> Addresses:
    """Who wrote, completed by what the contacts beside the message say about the same person."""
    own = [message.sender, message.from_user_id]
    if message.system is not None and message.type == "system":
        own.append(message.system.previous_user_id)
    known = [value for value in own if value]
    more = [value for contact in beside.find(known) for value in (contact.wa_id, contact.user_id)]
    return build_addresses([*own, *more], rules)


def _encrypt_address(kind: AddressKind, value: str | None, rules: Rules) -> Address | None:
    if value is None:
        return None
    index = rules.index.compute_index(kind, value)
    return Address(kind=kind, index=index, sealed=rules.encrypt(value.encode(), purpose=kind, index=index))


def _list_other_indexes(kind: AddressKind, value: str | None, rules: Rules) -> tuple[bytes, ...]:
    return rules.index.compute_other_indexes(kind, value) if value else ()
