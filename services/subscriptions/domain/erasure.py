"""Everything about a person goes, here and elsewhere."""

from dataclasses import dataclass
from uuid import UUID

from services.subscriptions.domain.feedback import author
from services.subscriptions.domain.publication import Publication, event
from services.subscriptions.domain.subscriber import Moment, Subscriber, indexes
from shared.contracts.events import SubscriberErased
from shared.contracts.ids import timed_id
from shared.contracts.message import Addresses


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What to delete: the rows of these people, and all that belongs to these addresses."""

    subscribers: tuple[UUID, ...]
    indexes: tuple[bytes, ...]
    authors: tuple[bytes, ...]
    moment: Moment


def erasure_of(people: tuple[Subscriber, ...], sender: Addresses, moment: Moment) -> Erased:
    known = {index for person in people for index in indexes(person.addresses)} | set(indexes(sender))
    return Erased(
        subscribers=tuple(person.id for person in people),
        indexes=tuple(sorted(known)),
        authors=tuple(author(person) for person in (*(each.id.bytes for each in people), *sorted(known))),
        moment=moment,
    )


def told(erased: Erased, sender: Addresses, message_key: bytes) -> Publication:
    """The dispatcher forgets the addresses and asks Meta to do so; it needs them sealed for that."""
    identifier = timed_id(erased.moment.at, b"erased", message_key)
    message = SubscriberErased(
        erasure=identifier,
        subscribers=erased.subscribers,
        addresses=tuple(address for address in (sender.phone, sender.user) if address),
        at=erased.moment.at,
    )
    return event(message, identifier=identifier, at=erased.moment.received_at, required=True)
