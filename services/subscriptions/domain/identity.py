"""Identity of a sender: the user id takes precedence over the phone number, and two rows of one person are merged."""

from dataclasses import dataclass, replace

from services.subscriptions.domain.subscriber import (
    NO_ADDRESSES,
    Subscriber,
    SubscriberState,
    combine_addresses,
    remove_sealed,
)
from shared.contracts.message import Address, Addresses


@dataclass(frozen=True, kw_only=True)
class Person:
    """Row of a sender with the addresses just seen, and the row that is merged into it."""

    subscriber: Subscriber | None = None
    absorbed: Subscriber | None = None


def resolve_person(by_user: Subscriber | None, by_phone: Subscriber | None, sender: Addresses) -> Person:
    """Return one person from the rows found under the sender's addresses.

    Of two rows the one found by user id stays. The latest change applies; of two at the same time, the stop.
    """
    kept = by_user or by_phone
    if kept is None:
        return Person()
    if by_phone is None or by_phone.id == kept.id:
        return Person(subscriber=_attach(kept, sender))
    return Person(
        subscriber=_attach(_merge_subscribers(kept, by_phone), sender), absorbed=_clear_absorbed(by_phone, kept)
    )


def move_person(former: Person, by_user: Subscriber | None, by_phone: Subscriber | None, after: Addresses) -> Person:
    """Return the same person under other addresses, merged with a person who already wrote from those.

    A number that is no longer named is dropped: somebody else may get it. A user id without a successor stays.
    """
    kept = former.subscriber
    if kept is None:
        return Person()
    reached = Addresses(phone=after.phone, user=after.user or kept.addresses.user)
    other = next((row for row in (by_user, by_phone) if row and row.id != kept.id), None)
    united = _merge_subscribers(kept, other) if other else kept
    addresses = reached if united.subscribed else remove_sealed(reached)
    absorbed = _clear_absorbed(other, kept) if other else former.absorbed
    return Person(subscriber=replace(united, addresses=addresses), absorbed=absorbed)


def _attach(subscriber: Subscriber, sender: Addresses) -> Subscriber:
    known = subscriber.addresses
    seen = Addresses(phone=_pick_newer(sender.phone, known.phone), user=_pick_newer(sender.user, known.user))
    return replace(subscriber, addresses=seen if subscriber.subscribed else remove_sealed(seen))


def _pick_newer(seen: Address | None, known: Address | None) -> Address | None:
    """Keep an address that is known already, so that an unchanged person causes no write."""
    if seen is None or (known is not None and known.index == seen.index and known.sealed):
        return known
    return seen


def _merge_subscribers(kept: Subscriber, other: Subscriber) -> Subscriber:
    latest = other if _has_newer_change(other, kept) else kept
    return replace(
        kept,
        sequence=max(kept.sequence, other.sequence) + 1,
        state=latest.state,
        topics=latest.topics,
        places=latest.places,
        paused_until=latest.paused_until,
        suspended=latest.suspended,
        preferred=max(filter(None, (kept.preferred, other.preferred)), default=None),
        chosen=max(filter(None, (kept.chosen, other.chosen)), default=None),
        addresses=combine_addresses(kept.addresses, other.addresses),
        started=max(filter(None, (kept.started, other.started)), default=None),
        ended=max(filter(None, (kept.ended, other.ended)), default=None),
    )


def _has_newer_change(one: Subscriber, other: Subscriber) -> bool:
    if one.last_change == other.last_change:
        return not one.subscribed
    return other.last_change is None or (one.last_change is not None and one.last_change > other.last_change)


def _clear_absorbed(subscriber: Subscriber, kept: Subscriber) -> Subscriber:
    return replace(
        subscriber,
        sequence=subscriber.sequence + 1,
        state=SubscriberState.MERGED,
        addresses=NO_ADDRESSES,
        topics=frozenset(),
        places=frozenset(),
        paused_until=None,
        suspended=frozenset(),
        merged_into=kept.id,
    )
