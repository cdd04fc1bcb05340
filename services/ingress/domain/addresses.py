"""Which address is what, and sealing it before it leaves this process."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from services.ingress.domain.decoding import NotUnderstood
from services.ingress.domain.webhook import Contact, WrittenMessage
from shared.contracts.message import Address, Addresses, AddressKind

# One is usual; so that not each of 5,000 messages is compared with a thousand.
MOST_OF_ONE_PERSON = 10
_USER = re.compile(r"[A-Z]{2}\.[\x21-\x7e]{1,150}")
_PHONE = re.compile(r"\+?[0-9]{5,20}")


class Seal(Protocol):
    """Seals bytes so that they open only with the same purpose and index."""

    def __call__(self, plain: bytes, *, purpose: str, index: bytes = b"") -> bytes: ...


class Index(Protocol):
    """The keyed hashes of a value, to look it up by; see shared.sealing."""

    def index(self, purpose: str, value: str) -> bytes: ...

    def index_also(self, purpose: str, value: str) -> tuple[bytes, ...]: ...

    def index_once(self, purpose: str, value: str) -> bytes: ...


class Rules(Struct, frozen=True, kw_only=True):
    """What translation needs to know: our number, the moment, and how to seal.

    Without `account_id` what is said about any account is taken for ours.
    """

    phone_number_id: str
    account_id: str | None = None
    received_at: datetime
    seal: Seal
    index: Index


def addresses_of(values: Iterable[str | None], rules: Rules) -> Addresses:
    """The first phone number and the first user id among the values. Raises NotUnderstood without any."""
    phone, user = first_of(values)
    if phone is None and user is None:
        raise NotUnderstood("neither a phone number nor a user id")
    number = phone and phone.removeprefix("+")
    return Addresses(
        phone=_sealed(AddressKind.PHONE, number, rules),
        user=_sealed(AddressKind.USER, user, rules),
        also=(*_also(AddressKind.PHONE, number, rules), *_also(AddressKind.USER, user, rules)),
    )


def first_of(values: Iterable[str | None]) -> tuple[str | None, str | None]:
    """Return the first phone number and the first user id as they are written."""
    phone = user = None
    for value in values:
        if value and _USER.fullmatch(value):
            user = user or value
        elif value and _PHONE.fullmatch(value):
            phone = phone or value
    return phone, user


class Beside:
    """The contacts beside messages, by each of their addresses."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._only = contacts[0] if len(contacts) == 1 else None
        self._of: dict[str, list[Contact]] = {}
        for contact in contacts if self._only is None else ():
            for value in {contact.wa_id, contact.user_id} - {None, ""}:
                same = self._of.setdefault(str(value), [])
                if len(same) < MOST_OF_ONE_PERSON:
                    same.append(contact)

    def of(self, known: Sequence[str]) -> list[Contact]:
        """Return what is said about somebody with these addresses; of nobody known, the only contact there is."""
        if only := self._only:
            return [only] if not known or only.wa_id in known or only.user_id in known else []
        return [contact for value in known for contact in self._of.get(value, ())]

    def completed(self, known: Sequence[str]) -> list[str]:
        """Return the addresses with those that stand here of the same person, if any do."""
        said = [value for contact in self.of(known) for value in (contact.wa_id, contact.user_id) if value]
        return [*known, *said] if said else []


def sender_of(message: WrittenMessage, beside: Beside, rules: Rules) -> Addresses:
    """Who wrote, completed by what the contacts beside the message say about the same person."""
    own = [message.sender, message.from_user_id]
    if message.system is not None and message.type == "system":
        own.append(message.system.previous_user_id)
    known = [value for value in own if value]
    more = [value for contact in beside.of(known) for value in (contact.wa_id, contact.user_id)]
    return addresses_of([*own, *more], rules)


def _sealed(kind: AddressKind, value: str | None, rules: Rules) -> Address | None:
    if value is None:
        return None
    index = rules.index.index(kind, value)
    return Address(kind=kind, index=index, sealed=rules.seal(value.encode(), purpose=kind, index=index))


def _also(kind: AddressKind, value: str | None, rules: Rules) -> tuple[bytes, ...]:
    return rules.index.index_also(kind, value) if value else ()
