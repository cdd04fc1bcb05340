"""Merging of two rows that turn out to be one person, because a message names the addresses of both."""

from dataclasses import dataclass, replace
from datetime import datetime

from services.subscriptions.domain.subscriber import (
    NO_ADDRESSES,
    MessageTime,
    Subscriber,
    SubscriberState,
    combine_addresses,
    find_newest,
    remove_sealed,
)
from shared.contracts.message import Address, Addresses


@dataclass(frozen=True, kw_only=True)
class Person:
    """Row of a sender with the addresses just seen, the topics that it lost by a merge, and the rows merged into it."""

    subscriber: Subscriber | None = None
    lost: frozenset[str] = frozenset()
    absorbed: tuple[Subscriber, ...] = ()


def resolve_person(by_user: Subscriber | None, by_phone: Subscriber | None, sender: Addresses) -> Person:
    """Return one person from the rows found under the sender's addresses."""
    found = by_user or by_phone
    if found is None:
        return Person()
    if by_phone is None or by_phone.id == found.id:
        return Person(subscriber=_attach(found, sender))
    first, second = sorted((found, by_phone), key=lambda row: row.id)
    kept, other = _choose_kept(first, second)
    united = _attach(_merge_subscribers(kept, other), sender)
    return Person(subscriber=united, lost=kept.topics - united.topics, absorbed=(_clear_absorbed(other, kept),))


def move_person(former: Person, by_user: Subscriber | None, by_phone: Subscriber | None, after: Addresses) -> Person:
    """Return the same person under other addresses, merged with whoever already wrote from those.

    A number that is no longer named is dropped: somebody else may get it. A user id without a successor stays.
    """
    moved = former.subscriber
    if moved is None:
        return Person()
    known = {row.id for row in (moved, *former.absorbed)}
    there = [row for row in (by_user, by_phone) if row and row.id not in known]
    met = resolve_person(there[0], there[-1], after) if there else Person()
    kept, other = _choose_kept(met.subscriber, moved) if met.subscriber else (moved, None)
    united = _merge_subscribers(kept, other) if other else kept
    reached = Addresses(phone=after.phone, user=after.user or united.addresses.user)
    gone = (_clear_absorbed(other, kept),) if other else ()
    before = former if kept is moved else met
    return Person(
        subscriber=replace(united, addresses=reached if united.subscribed else remove_sealed(reached)),
        lost=(before.lost | kept.topics) - united.topics,
        absorbed=(*former.absorbed, *met.absorbed, *gone),
    )


def _attach(subscriber: Subscriber, sender: Addresses) -> Subscriber:
    known = subscriber.addresses
    seen = Addresses(phone=_pick_newer(sender.phone, known.phone), user=_pick_newer(sender.user, known.user))
    return replace(subscriber, addresses=seen if subscriber.subscribed else remove_sealed(seen))


def _pick_newer(seen: Address | None, known: Address | None) -> Address | None:
    """Keep an address that is known already, so that an unchanged person causes no write."""
    if seen is None or (known is not None and known.index == seen.index and known.sealed):
        return known
    return seen


def _choose_kept(first: Subscriber, second: Subscriber) -> tuple[Subscriber, Subscriber]:
    """Return the row that stays and the other one: the latest word applies; of two at the same time, the stop.

    A row that took over the state of another one could be on no page of a broadcast: pages follow the ids, and its own
    may have been passed already. If both have the same state, the first stays.
    """
    if _has_same_state(first, second) or not _has_newer_word(second, first):
        return (second, first) if _may_be_left_out(first, second) else (first, second)
    return (first, second) if _may_be_left_out(second, first) else (second, first)


def _may_be_left_out(one: Subscriber, other: Subscriber) -> bool:
    """Return whether pages may have left out the first for a pause that the other one ends, and the other is better.

    Either it has all topics that apply, so that it was on these pages, or its own come later.
    """
    is_resumed = one.paused_until is not None and _select_pause(one, other) != one.paused_until
    return is_resumed and (one.topics <= other.topics or one.id < other.id)


def _has_same_state(one: Subscriber, other: Subscriber) -> bool:
    return (one.topics, one.places, one.paused_until) == (other.topics, other.places, other.paused_until)


def _merge_subscribers(kept: Subscriber, other: Subscriber) -> Subscriber:
    """Return the row that stays, with what applies, a sequence above both, the newest times and all addresses."""
    said, silent = (other, kept) if _has_newer_word(other, kept) else (kept, other)
    merged = replace(
        kept,
        sequence=max(kept.sequence, other.sequence) + 1,
        topics=said.topics,
        places=said.places,
        suspended=said.suspended,
        preferred=max(filter(None, (kept.preferred, other.preferred)), default=None),
        paused_until=_select_pause(kept, other),
        chosen=find_newest(kept.chosen, other.chosen),
        paused=find_newest(kept.paused, other.paused),
        addresses=combine_addresses(kept.addresses, other.addresses),
        started=find_newest(kept.started, other.started),
        ended=find_newest(kept.ended, other.ended),
    )
    stopped = _find_stopped(said, silent)
    return merged.suspend(stopped, merged.ended) if stopped and merged.ended else merged


def _find_stopped(said: Subscriber, silent: Subscriber) -> frozenset[str]:
    """Return the topics which apply that a later stop inside WhatsApp ended in the other row."""
    heard = (said.last_choice and said.last_choice.at, said.preferred, silent.preferred)
    is_newest = silent.preferred == max(filter(None, heard), default=None)
    return said.topics & silent.suspended if is_newest else frozenset()


def _select_pause(kept: Subscriber, other: Subscriber) -> datetime | None:
    """Return the end of the pause: the newest pause or start decides, even if the topics of the other row apply."""
    both = kept.subscribed and other.subscribed
    said, before = find_newest(other.started, other.paused), find_newest(kept.started, kept.paused)
    return (other if both and _is_newer(said, before) else kept).paused_until


def _has_newer_word(one: Subscriber, other: Subscriber) -> bool:
    """Return whether the first was changed last: choices count unless either was stopped; at the same time a stop wins.

    A stop inside WhatsApp is not one of these: it ends some topics only, whichever row stays.
    """
    ended, other_ended = (not (row.subscribed or row.suspended) for row in (one, other))
    said, before = (
        row.last_change if is_ended else row.started if ended or other_ended else row.last_choice
        for row, is_ended in ((one, ended), (other, other_ended))
    )
    return ended if said == before else _is_newer(said, before)


def _is_newer(moment: MessageTime | None, other: MessageTime | None) -> bool:
    return moment is not None and (other is None or moment > other)


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
