"""Merging of two rows that belong to one person, as a message with the addresses of both shows."""

from dataclasses import dataclass, replace
from datetime import datetime

from services.subscriptions.domain.subscriber import (
    LAST,
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
    """Row of a sender with the current addresses, the topics that it lost by a merge, and the rows merged into it."""

    subscriber: Subscriber | None = None
    lost: frozenset[str] = frozenset()
    absorbed: tuple[Subscriber, ...] = ()


def resolve_person(by_user: Subscriber | None, by_phone: Subscriber | None, sender: Addresses) -> Person:
    """Return one person from the rows found under the sender's addresses."""
    subscriber = by_user or by_phone
    if subscriber is None:
        return Person()
    if by_phone is None or by_phone.id == subscriber.id:
        return Person(subscriber=_attach(subscriber, sender))
    first, second = sorted((subscriber, by_phone), key=lambda row: row.id)
    kept, other = _choose_kept(first, second)
    merged = _attach(_merge_subscribers(kept, other), sender)
    return Person(subscriber=merged, lost=kept.topics - merged.topics, absorbed=(_clear_absorbed(other, kept),))


def move_person(former: Person, by_user: Subscriber | None, by_phone: Subscriber | None, after: Addresses) -> Person:
    """Return the same person under other addresses, merged with the person who already wrote from those.

    A phone number without a successor is dropped, as somebody else may get it; a user id without one stays.
    """
    moved = former.subscriber
    if moved is None:
        return Person()
    own_ids = {row.id for row in (moved, *former.absorbed)}
    other_rows = [row for row in (by_user, by_phone) if row and row.id not in own_ids]
    resident = resolve_person(other_rows[0], other_rows[-1], after) if other_rows else Person()
    kept, other = _choose_kept(resident.subscriber, moved) if resident.subscriber else (moved, None)
    merged = _merge_subscribers(kept, other) if other else kept
    addresses = Addresses(phone=after.phone, user=after.user or merged.addresses.user)
    absorbed = (_clear_absorbed(other, kept),) if other else ()
    kept_person = former if kept is moved else resident
    return Person(
        subscriber=replace(merged, addresses=addresses if merged.subscribed else remove_sealed(addresses)),
        lost=(kept_person.lost | kept.topics) - merged.topics,
        absorbed=(*former.absorbed, *resident.absorbed, *absorbed),
    )


def _attach(subscriber: Subscriber, sender: Addresses) -> Subscriber:
    stored = subscriber.addresses
    addresses = Addresses(phone=_pick_newer(sender.phone, stored.phone), user=_pick_newer(sender.user, stored.user))
    return replace(subscriber, addresses=addresses if subscriber.subscribed else remove_sealed(addresses))


def _pick_newer(received: Address | None, stored: Address | None) -> Address | None:
    """Return the received address; the stored one if it is the same, so that an unchanged person causes no write."""
    if received is None or (stored is not None and stored.index == received.index and stored.sealed):
        return stored
    return received


def _choose_kept(first: Subscriber, second: Subscriber) -> tuple[Subscriber, Subscriber]:
    """Return the row to keep and the other one: the row changed last is kept; of two at the same time, the stop.

    A row that took over the state of another one could be missing from a broadcast: its pages follow the ids, and may
    have passed the row's id already. If both have the same state, the first is kept.
    """
    if _has_same_state(first, second) or not _is_changed_last(second, first):
        return (second, first) if _may_be_left_out(first, second) else (first, second)
    return (first, second) if _may_be_left_out(second, first) else (second, first)


def _may_be_left_out(row: Subscriber, other: Subscriber) -> bool:
    """Return whether pages may have left out `row` for a pause that `other` ends, so that `other` should be kept.

    Either `other` has all topics that apply, so that it was on these pages, or its own pages come later.
    """
    is_resumed = row.paused_until is not None and _select_pause(row, other) != row.paused_until
    return is_resumed and (row.topics <= other.topics or row.id < other.id)


def _has_same_state(row: Subscriber, other: Subscriber) -> bool:
    return (row.topics, row.places, row.paused_until) == (other.topics, other.places, other.paused_until)


def _merge_subscribers(kept: Subscriber, other: Subscriber) -> Subscriber:
    """Return `kept` with the topics and places that apply, a sequence above both, newest times and all addresses."""
    newer, older = (other, kept) if _is_changed_last(other, kept) else (kept, other)
    merged = replace(
        kept,
        sequence=max(kept.sequence, other.sequence) + 1,
        topics=newer.topics,
        places=newer.places,
        suspended=newer.suspended,
        preferred_at=max(filter(None, (kept.preferred_at, other.preferred_at)), default=None),
        paused_until=_select_pause(kept, other),
        chosen_at=newer.chosen_at,
        topic_times=newer.topic_times,
        placed_at=newer.placed_at,
        paused_at=find_newest(kept.paused_at, other.paused_at),
        addresses=combine_addresses(kept.addresses, other.addresses),
        started_at=find_newest(kept.started_at, other.started_at),
        ended_at=find_newest(kept.ended_at, other.ended_at),
    )
    drops = _find_drops(newer, older)
    dropped = drops.keys() & merged.topics
    topics = merged.topics - dropped
    if dropped and not topics:
        topics = older.topics - _find_drops(older, newer).keys()
    if dropped and not topics:
        return merged.stop(max(drops[topic] for topic in dropped))
    merged = replace(merged, topics=topics, topic_times={**merged.topic_times, **drops})
    stopped = _find_stopped(newer, older) & merged.topics
    return merged.suspend(stopped, merged.ended_at) if stopped and merged.ended_at else merged


def _find_drops(newer: Subscriber, older: Subscriber) -> dict[str, MessageTime]:
    """Return when `older` ended topics that it does not have, if nothing newer in `newer` decides about them."""
    is_ended = not (older.subscribed or older.suspended)
    chosen_at = older.chosen_at if older.chosen_at != older.started_at else None  # a start refuses nothing
    all_at = older.ended_at if is_ended else chosen_at
    times = {
        topic: find_newest(all_at, older.topic_times.get(topic)) for topic in newer.topics | older.topic_times.keys()
    }
    return {
        topic: moment
        for topic, moment in times.items()
        if moment and topic not in older.topics and newer.list_open(frozenset((topic,)), moment)
    }


def _find_stopped(newer: Subscriber, older: Subscriber) -> frozenset[str]:
    """Return the topics of `newer` that a still later stop inside WhatsApp ended in `older`."""
    if older.preferred_at is None or (newer.preferred_at and newer.preferred_at > older.preferred_at):
        return frozenset()
    return newer.list_open(newer.topics & older.suspended, MessageTime(older.preferred_at, LAST))


def _select_pause(kept: Subscriber, other: Subscriber) -> datetime | None:
    """Return the end of the pause: the newest pause or start decides, even if the topics of the other row apply."""
    both_subscribed = kept.subscribed and other.subscribed
    kept_at, other_at = find_newest(kept.started_at, kept.paused_at), find_newest(other.started_at, other.paused_at)
    return (other if both_subscribed and _is_newer(other_at, kept_at) else kept).paused_until


def _is_changed_last(row: Subscriber, other: Subscriber) -> bool:
    """Return whether `row` was changed last: choices count unless either was stopped; at the same time a stop wins.

    A stop inside WhatsApp does not count: it ends some topics only, whichever row is kept.
    """
    row_ended, other_ended = (not (each.subscribed or each.suspended) for each in (row, other))
    row_changed_at, other_changed_at = (
        each.last_change if is_ended else each.started_at if row_ended or other_ended else each.last_choice
        for each, is_ended in ((row, row_ended), (other, other_ended))
    )
    return row_ended if row_changed_at == other_changed_at else _is_newer(row_changed_at, other_changed_at)


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
