"""Everything about a person goes, here and elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.feedback import author
from services.subscriptions.domain.publication import Publication, event
from services.subscriptions.domain.subscriber import Moment, Subscriber, indexes
from shared.contracts.events import SubscriberErased
from shared.contracts.ids import timed_id
from shared.contracts.message import Address, Addresses


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What to delete: the rows of these people, and all that belongs to these addresses."""

    subscribers: tuple[UUID, ...]
    indexes: tuple[bytes, ...]
    authors: tuple[bytes, ...]
    moment: Moment


def erasure_of(
    people: tuple[Subscriber, ...], sender: Addresses, moment: Moment, history: Iterable[Consent] = ()
) -> Erased:
    """`history` names also those whom the person has taken over."""
    known = {index for person in people for index in indexes(person.addresses)} | set(indexes(sender))
    ids = {person.id: None for person in people} | {entry.subscriber: None for entry in history}
    return Erased(
        subscribers=tuple(ids),
        indexes=tuple(sorted(known)),
        authors=tuple(author(person) for person in (*(each.bytes for each in ids), *sorted(known))),
        moment=moment,
    )


def told(erased: Erased, known: Iterable[Addresses], message_key: bytes) -> Publication:
    """The dispatcher forgets all addresses that are `known`, and asks Meta to do so; for that it needs them sealed."""
    identifier = timed_id(erased.moment.at, b"erased", message_key)
    addresses: dict[bytes, Address] = {}
    for address in (address for each in known for address in (each.phone, each.user) if address):
        if not (address.index in addresses and addresses[address.index].sealed):
            addresses[address.index] = address
    message = SubscriberErased(
        erasure=identifier,
        subscribers=erased.subscribers,
        addresses=tuple(addresses.values()),
        at=erased.moment.at,
    )
    return event(message, identifier=identifier, at=erased.moment.received_at, required=True)
