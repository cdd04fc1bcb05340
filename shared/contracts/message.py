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
    """Which deliveries go first: replies before urgent before bulk."""

    REPLY = "reply"
    URGENT = "urgent"
    BULK = "bulk"


class AddressKind(StrEnum):
    """What an address is: a phone number in digits, or a business-scoped user id (BSUID)."""

    PHONE = "phone"
    USER = "user"


class Address(Value, frozen=True, kw_only=True):
    """Where somebody is reached, sealed (see shared.encryption).

    `index` is the keyed hash to look the address up by, `sealed` the ciphertext that only the holders of
    the sealing keys can open.
    """

    kind: AddressKind
    index: bytes
    sealed: bytes


class Addresses(Value, frozen=True, kw_only=True):
    """All addresses of one person that Meta named in one place; at least one of the two is there.

    While the index key is rotated, `also` holds their hashes with the other key, to look them up by.
    """

    phone: Address | None = None
    user: Address | None = None
    also: tuple[bytes, ...] = ()
