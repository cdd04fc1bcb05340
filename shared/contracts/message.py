"""Base class of all messages, and values that several messages share."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

# With an offset, as RFC 3339 requires: without one, the time is ambiguous.
Moment = Annotated[datetime, Meta(tz=True)]


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data of an event; `TYPE` is the CloudEvents type, `KEY` the routing key."""

    TYPE: ClassVar[str]
    KEY: ClassVar[str]


class Value(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Part of a message."""


class Lane(StrEnum):
    """Priority of deliveries: replies before urgent before bulk."""

    REPLY = "reply"
    URGENT = "urgent"
    BULK = "bulk"


class AddressKind(StrEnum):
    """Kind of address: a phone number in digits, or a business-scoped user id (BSUID)."""

    PHONE = "phone"
    USER = "user"


class Address(Value, frozen=True, kw_only=True):
    """Address of a person, encrypted (see shared.encryption).

    `index` is the keyed hash for look-ups, `sealed` the ciphertext, which only holders of the encryption keys can
    decrypt.
    """

    kind: AddressKind
    index: bytes
    sealed: bytes


class Addresses(Value, frozen=True, kw_only=True):
    """All addresses of one person that Meta named in one place: at least one of phone and user id.

    During a rotation of the index key, `also` holds the hashes under the other key for look-ups.
    """

    phone: Address | None = None
    user: Address | None = None
    also: tuple[bytes, ...] = ()
