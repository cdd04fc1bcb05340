"""Everything about a person goes, here and elsewhere."""

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
    """What to delete: the rows of these people, and all that belongs to these addresses.

    Of `former` addresses, which somebody else may have by now, nothing goes but what was answered there.
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
    """`history` names also those whom the person has taken over."""
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
    """Under what the feedback of a person is found: what they wrote before they subscribed is under an address."""
    who = (*(each.bytes for each in _collect_ids(people, history)), *sorted(addresses))
    return tuple(key.derive_author(person) for person in who)


def _collect_ids(people: Iterable[Subscriber], history: Iterable[Consent]) -> tuple[UUID, ...]:
    return tuple({person.id: None for person in people} | {entry.subscriber: None for entry in history})


def collect_indexes(people: Iterable[Subscriber], sender: Addresses) -> tuple[bytes, ...]:
    """All that these people are reached at, and what they write from now."""
    known = {index for person in people for index in list_indexes(person.addresses)} | set(list_indexes(sender))
    return tuple(sorted(known))


def build_erased_event(erased: ErasureScope, known: Iterable[Addresses], message_key: bytes) -> Publication:
    """The dispatcher forgets all addresses that are `known`, and asks Meta to do so; for that it needs them sealed."""
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
