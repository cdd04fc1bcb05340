"""Erasure of a person's data, in this service and in others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.publication import Publication, build_event
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, list_indexes
from shared.contracts.events import SubscriberErased
from shared.contracts.ids import make_timed_id
from shared.contracts.message import Address, Addresses, AddressKind


@dataclass(frozen=True, kw_only=True)
class ErasureScope:
    """Data to delete: the rows of these subscribers, and everything that belongs to these addresses.

    `former` addresses may belong to somebody else by now: of them only what was answered there is deleted.
    """

    subscribers: tuple[UUID, ...]
    indexes: tuple[bytes, ...]
    former: tuple[bytes, ...] = ()
    authors: tuple[bytes, ...]
    moment: MessageTime


def build_erasure(
    people: tuple[Subscriber, ...],
    sender: Addresses,
    moment: MessageTime,
    key: AuthorKey,
    *,
    history: Sequence[Consent] = (),
    former: Sequence[bytes] = (),
) -> ErasureScope:
    """Return the scope of an erasure; `history` also names the rows that were merged into the person's."""
    return ErasureScope(
        subscribers=_collect_ids(people, history),
        indexes=collect_indexes(people, sender),
        former=tuple(sorted({*former} - {*collect_indexes(people, sender)})),
        authors=derive_authors(key, people, {*collect_indexes(people, sender), *former}, history),
        moment=moment,
    )


def derive_authors(
    key: AuthorKey, people: Iterable[Subscriber], addresses: Iterable[bytes], history: Iterable[Consent] = ()
) -> tuple[bytes, ...]:
    """Return the authors of a person's feedback: what they wrote before they subscribed is under an address."""
    who = (*(each.bytes for each in _collect_ids(people, history)), *sorted(addresses))
    return tuple(key.derive_author(person) for person in who)


def _collect_ids(people: Iterable[Subscriber], history: Iterable[Consent]) -> tuple[UUID, ...]:
    return tuple({person.id: None for person in people} | {entry.subscriber: None for entry in history})


def collect_indexes(people: Iterable[Subscriber], sender: Addresses) -> tuple[bytes, ...]:
    """Return the blind indexes of all addresses of these people, and of the address that they write from now."""
    known = {index for person in people for index in list_indexes(person.addresses)} | set(list_indexes(sender))
    return tuple(sorted(known))


def build_erased_event(erased: ErasureScope, known: Iterable[Addresses], message_key: bytes) -> Publication:
    """Return the event that makes the dispatcher purge all addresses.

    The dispatcher also asks Meta to delete them, for which it needs the encrypted addresses among those `known`.
    """
    identifier = make_timed_id(erased.moment.at, b"erased", message_key)
    addresses: dict[bytes, Address] = {}
    for address in (address for each in known for address in (each.phone, each.user) if address):
        if not (address.index in addresses and addresses[address.index].sealed):
            addresses[address.index] = address
    for index in erased.former:
        addresses.setdefault(index, Address(kind=AddressKind.PHONE, index=index, sealed=b""))
    message = SubscriberErased(
        erasure=identifier,
        subscribers=erased.subscribers,
        addresses=tuple(addresses.values()),
        at=erased.moment.at,
    )
    return build_event(message, identifier=identifier, at=erased.moment.received_at, required=True)
