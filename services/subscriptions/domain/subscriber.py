"""Subscriber: addresses, topics, and the sequence number of the latest consent or withdrawal."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.subscriptions.domain.county import County
from shared.contracts.ids import make_timed_id
from shared.contracts.inbound import InboundMessage, PreferenceChange
from shared.contracts.message import Address, Addresses


class SubscriberState(StrEnum):
    """State of a subscriber. `MERGED` is a row that was merged into another one; it no longer has an address."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    MERGED = "merged"


class MessageTime(NamedTuple):
    """Time of a message. Meta's clock counts whole seconds, so ours decides within a second.

    Webhooks may overtake each other, so a stop counts even if a start in the same second reached us later.
    """

    at: datetime
    received_at: datetime

    @classmethod
    def read_from(cls, message: InboundMessage) -> "MessageTime":
        """Return the time of a message; if Meta's clock runs ahead, later messages must not become outdated."""
        return cls(min(message.sent_at, message.received_at), message.received_at)


NO_ADDRESSES = Addresses()
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """Person who wrote "Start" or "Stop" at least once.

    `sequence` counts starts, choices and stops. `chosen_at` is the time of the newest choice of all topics,
    `topic_times` those of later changes of single topics, `placed_at` that of the newest choice of places, `paused_at`
    that of the newest pause or its early end. No `places` means all of them. `suspended` are topics that a stop inside
    WhatsApp ended, until the next choice of topics; `preferred_at` is when the person last stopped or resumed there.
    Of an unsubscribed person's addresses only the blind index is stored, so that a "Start" which arrives late is
    recognised as older than the "Stop".
    """

    id: UUID
    sequence: int = 0
    state: SubscriberState = SubscriberState.UNSUBSCRIBED
    addresses: Addresses = NO_ADDRESSES
    topics: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    paused_until: datetime | None = None
    chosen_at: MessageTime | None = None
    topic_times: Mapping[str, MessageTime] = field(default_factory=dict)
    placed_at: MessageTime | None = None
    paused_at: MessageTime | None = None
    merged_into: UUID | None = None
    suspended: frozenset[str] = frozenset()
    preferred_at: datetime | None = None
    started_at: MessageTime | None = None
    ended_at: MessageTime | None = None

    @property
    def subscribed(self) -> bool:
        return self.state is SubscriberState.SUBSCRIBED

    @property
    def last_change(self) -> MessageTime | None:
        """Return the newest start or stop."""
        return find_newest(self.started_at, self.ended_at)

    @property
    def last_choice(self) -> MessageTime | None:
        """Return the newest start or choice of topics or places."""
        return find_newest(self.started_at, self.chosen_at, self.placed_at, *self.topic_times.values())

    @property
    def last_request(self) -> MessageTime | None:
        """Return the newest start, stop, choice or pause."""
        return find_newest(self.last_change, self.last_choice, self.paused_at)

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and now < self.paused_until

    def list_open(self, topics: frozenset[str], moment: MessageTime) -> frozenset[str]:
        """Return those of these topics about which nothing newer than `moment` decides."""
        all_at = self.chosen_at or self.started_at
        newest = {topic: find_newest(all_at, self.topic_times.get(topic)) for topic in topics}
        return frozenset(topic for topic, decided_at in newest.items() if decided_at is None or moment >= decided_at)

    def may_place(self, moment: MessageTime) -> bool:
        """Return whether no choice of places, and no stop, is newer."""
        newest = find_newest(self.placed_at, self.ended_at)
        return newest is None or moment >= newest

    def start(
        self,
        moment: MessageTime,
        topics: frozenset[str],
        sender: Addresses,
        places: frozenset[str] = frozenset(),
        *,
        adds: bool = False,
    ) -> "Subscriber":
        """Start or renew with exactly these topics, or, for a subscriber who `adds`, with these as well.

        Places that were chosen before stay unless others are named. A start that arrives late undoes neither a newer
        choice nor a newer pause.
        """
        is_about = topics if adds else self.topics | topics
        may_place = bool(places) and self.may_place(moment)
        return replace(
            self._decide(topics, is_about, moment, exactly=not adds),
            sequence=self.sequence + 1,
            state=SubscriberState.SUBSCRIBED,
            addresses=combine_addresses(sender, self.addresses),
            places=places if may_place else self.places,
            placed_at=moment if may_place else self.placed_at,
            paused_until=self.paused_until if self.paused_at and self.paused_at > moment else None,
            suspended=self.suspended - self.list_open(self.suspended, moment),
            started_at=find_newest(self.started_at, moment) if self.subscribed else moment,
        )

    def _decide(
        self, topics: frozenset[str], is_about: frozenset[str], moment: MessageTime, *, exactly: bool = False
    ) -> "Subscriber":
        """Subscribe to `topics`, of those that a message `is_about`, as far as nothing newer decides about one.

        An exact choice is about all topics, and needs no time for each.
        """
        decided = self.list_open(is_about, moment)
        newer = {topic: at for topic, at in self.topic_times.items() if at > moment}
        return replace(
            self,
            topics=self.topics - decided | topics & decided,
            chosen_at=find_newest(self.chosen_at, moment) if exactly else self.chosen_at,
            topic_times=newer if exactly else {**self.topic_times, **dict.fromkeys(decided, moment)},
        )

    def stop(self, moment: MessageTime) -> "Subscriber":
        """Stop; newer drops of topics count for a start in between that is still to arrive."""
        newer = {topic: at for topic, at in self.topic_times.items() if at > moment and topic not in self.topics}
        return replace(
            self,
            sequence=self.sequence + 1,
            state=SubscriberState.UNSUBSCRIBED,
            addresses=remove_sealed(self.addresses),
            topics=frozenset(),
            places=frozenset(),
            paused_until=None,
            chosen_at=None,
            topic_times=newer,
            placed_at=None,
            suspended=frozenset(),
            ended_at=find_newest(self.ended_at, moment),
        )

    def choose(self, topics: frozenset[str], existing: frozenset[str], moment: MessageTime) -> "Subscriber":
        """Subscribe to exactly these of the existing topics; before a stop inside WhatsApp, only drop the others."""
        if self._is_before_end(moment):
            return self.drop((self.topics | self.suspended) - topics, existing, moment)
        changed = self._decide(topics, self.topics | existing, moment, exactly=True)
        return replace(changed, suspended=frozenset())._end_choice(existing, moment)

    def add(self, topics: frozenset[str], existing: frozenset[str], moment: MessageTime) -> "Subscriber":
        return replace(self._decide(topics, topics, moment), suspended=frozenset())._end_choice(existing, moment)

    def drop(self, topics: frozenset[str], existing: frozenset[str], moment: MessageTime) -> "Subscriber":
        """Drop these topics. A stop inside WhatsApp that is newer still suspends what it suspended."""
        open_topics = self.list_open(topics, moment)
        suspended = self.suspended - open_topics if self._is_before_end(moment) else frozenset[str]()
        changed = self._decide(frozenset(), topics, moment)
        return replace(changed, suspended=suspended)._end_choice(existing, moment)

    def refuse(self, topics: frozenset[str], moment: MessageTime) -> "Subscriber":
        """Record, without a subscription, that these topics are not wanted: nothing older brings them back."""
        refused = self.list_open(topics, moment)
        topic_times = {**self.topic_times, **dict.fromkeys(refused, moment)}
        return replace(self, suspended=self.suspended - refused, topic_times=topic_times)

    def _is_before_end(self, moment: MessageTime) -> bool:
        return self.ended_at is not None and moment < self.ended_at

    def _end_choice(self, existing: frozenset[str], moment: MessageTime) -> "Subscriber":
        """Count the choice; if none of the existing topics remains, it is a stop."""
        if self.topics & existing:
            return replace(self, sequence=self.sequence + 1)
        return replace(self.stop(moment), suspended=self.suspended)

    def place(self, places: frozenset[str], moment: MessageTime) -> "Subscriber":
        """Get local topics for these places, or all without one, unless a newer choice decides."""
        if not self.may_place(moment):
            return self
        return replace(self, sequence=self.sequence + 1, places=places, placed_at=moment)

    def pause(self, until: datetime | None, moment: MessageTime) -> "Subscriber":
        """Pause all messages until then; None ends a pause."""
        return replace(self, sequence=self.sequence + 1, paused_until=until, paused_at=moment)

    def suspend(self, topics: frozenset[str], moment: MessageTime) -> "Subscriber":
        """Withdraw some topics because of a stop inside WhatsApp; if none remains, it is a complete stop."""
        remaining = self.topics - topics
        suspended = self.suspended | (self.topics & topics)
        if not remaining:
            stopped = replace(self.stop(moment), chosen_at=self.chosen_at, topic_times=self.topic_times)
            return replace(stopped, suspended=suspended)
        ended_at = find_newest(self.ended_at, moment)
        return replace(self, sequence=self.sequence + 1, topics=remaining, suspended=suspended, ended_at=ended_at)

    def restore(self, topics: frozenset[str], sender: Addresses) -> "Subscriber":
        """Undo a suspension. This is not a start: a "Stop" from before it that arrives late still counts."""
        return replace(
            self,
            sequence=self.sequence + 1,
            state=SubscriberState.SUBSCRIBED,
            addresses=combine_addresses(sender, self.addresses),
            topics=self.topics | topics,
            suspended=frozenset(),
        )


def find_newest(*moments: MessageTime | None) -> MessageTime | None:
    """Return the newest moment; None if there is none."""
    return max(filter(None, moments), default=None)


def create_subscriber(message: InboundMessage) -> Subscriber:
    """Create a subscriber with an id derived from the message, so that a redelivery yields the same one."""
    identifier = make_timed_id(min(message.sent_at, message.received_at), b"subscriber", message.message_key)
    return Subscriber(id=identifier, addresses=message.sender)


def combine_addresses(newer: Addresses, older: Addresses) -> Addresses:
    """Return all addresses of a person, the newer one of each kind."""
    return Addresses(phone=newer.phone or older.phone, user=newer.user or older.user)


def remove_sealed(addresses: Addresses) -> Addresses:
    """Return only the blind indexes, for somebody who is sent nothing; drop the encrypted addresses."""
    return Addresses(phone=_remove_sealed(addresses.phone), user=_remove_sealed(addresses.user))


def _remove_sealed(address: Address | None) -> Address | None:
    return Address(kind=address.kind, index=address.index, sealed=b"") if address else None


def select_address(addresses: Addresses) -> Address | None:
    """Return the address to send to: the phone number if it is known; None if no encrypted address is stored."""
    return next((address for address in (addresses.phone, addresses.user) if address and address.sealed), None)


def list_indexes(addresses: Addresses) -> tuple[bytes, ...]:
    """Return the blind indexes of all addresses as they are stored, in a fixed order."""
    return tuple(sorted({address.index for address in (addresses.phone, addresses.user) if address}))


def list_lookup_indexes(addresses: Addresses) -> tuple[bytes, ...]:
    """Return all blind indexes under which these addresses may be stored, beginning with the current ones."""
    return (*list_indexes(addresses), *addresses.also)


MARKETING = "marketing_messages"
STOP = "stop"
RESUME = "resume"


def is_relevant(change: PreferenceChange) -> bool:
    """Return whether it stops or resumes marketing messages; other categories, and a sign-up, have no effect here."""
    return change.category == MARKETING and change.value in (STOP, RESUME)


def derive_key(change: PreferenceChange) -> bytes:
    """Return a key that is equal for a redelivered change, which has no message id."""
    return _hash_change(change, list_indexes(change.person))


def derive_alternate_keys(change: PreferenceChange) -> tuple[bytes, ...]:
    """Return the key that the same change has under the other index key, during a key rotation."""
    return (_hash_change(change, sorted(change.person.also)),) if change.person.also else ()


def _hash_change(change: PreferenceChange, person: Sequence[bytes]) -> bytes:
    values = (change.category, change.value, change.at.isoformat())
    return hashlib.sha256(b"\0".join([*person, *(value.encode() for value in values)])).digest()


def apply_preference(subscriber: Subscriber | None, change: PreferenceChange, county: County) -> Subscriber | None:
    """Apply a stop or resume inside WhatsApp itself; it is obeyed and never answered.

    Return None for an unknown person, and if another preference is newer, or for a resume a "Start". A stop suspends
    topics about which nothing newer decides.
    """
    if subscriber is None:
        return None
    started_at = subscriber.started_at.at if subscriber.started_at and change.value == RESUME else None
    newest = (subscriber.preferred_at, started_at)
    if any(moment and change.at < moment for moment in newest):
        return None
    apply = _suspend_marketing if change.value == STOP else _restore_marketing
    return apply(replace(subscriber, preferred_at=change.at), change, county)


def _suspend_marketing(subscriber: Subscriber, change: PreferenceChange, county: County) -> Subscriber:
    """Suspend the marketing topics; if no other existing topic remains, suspend all topics.

    Those that are not subscribed to are dropped, for an older start or choice that is still to arrive.
    """
    moment, latest = MessageTime(change.at, change.at), MessageTime(change.at, LAST)  # within a second, a stop counts
    marketing = subscriber.list_open(county.marketing_topics - subscriber.suspended, latest)
    topics = marketing & subscriber.topics
    if not topics:
        ended_at = find_newest(subscriber.ended_at, moment) if subscriber.suspended else subscriber.ended_at
        topic_times = {**subscriber.topic_times, **dict.fromkeys(marketing, moment)}
        return replace(subscriber, ended_at=ended_at, topic_times=topic_times)
    if not (subscriber.topics - topics) & county.topic_ids:
        topics = subscriber.topics
    return subscriber.suspend(topics, moment)


def _restore_marketing(subscriber: Subscriber, change: PreferenceChange, county: County) -> Subscriber:
    """Restore only topics that a stop in the app suspended, and that the person has not decided about since."""
    topics = subscriber.suspended & county.marketing_topics
    return subscriber.restore(topics, change.person) if topics else subscriber
