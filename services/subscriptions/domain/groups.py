"""The parts of a group: each is about one person, and can be a group of its own."""

from dataclasses import dataclass

from services.subscriptions.domain.language.understanding import readable
from services.subscriptions.domain.preferences import key_of
from services.subscriptions.domain.subscriber import Moment, lookups
from shared.contracts.envelope import ContractError, Envelope, encode
from shared.contracts.inbound import (
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    InboundMessages,
    PreferenceChange,
    PreferenceChanges,
)
from shared.contracts.message import Message

Event = InboundMessage | PreferenceChange | IdentityChange


@dataclass(frozen=True, kw_only=True)
class Part:
    """One event, all indexes of its person, when it was said, and the group that holds it alone."""

    event: Event
    person: tuple[bytes, ...]
    key: bytes
    moment: Moment
    alone: Message

    def encoded(self, envelope: Envelope) -> bytes:
        """As a message of its own, with an id that it always has."""
        return encode(self.alone, event_id=self.identifier, source=envelope.source, time=envelope.time)

    @property
    def identifier(self) -> str:
        return self.key.hex()


def parts_of(group: Message) -> list[Part]:
    """Every event of somebody, with no more of a text than is read.

    Raises ContractError for a message that is no group of these.
    """
    match group:
        case InboundMessages(messages=messages):
            parts = [_message(readable(each)) for each in messages]
        case PreferenceChanges(changes=changes):
            parts = [_preference(each) for each in changes]
        case IdentityChanges(changes=moves):
            parts = [_move(each) for each in moves]
        case _:
            raise ContractError(f"unexpected {group.TYPE}")
    return [part for part in parts if part.person]


def _message(event: InboundMessage) -> Part:
    alone = InboundMessages(messages=(event,))
    return Part(event=event, person=lookups(event.sender), key=event.message_key, moment=Moment.of(event), alone=alone)


def _preference(event: PreferenceChange) -> Part:
    alone = PreferenceChanges(changes=(event,))
    return Part(
        event=event, person=lookups(event.person), key=key_of(event), moment=Moment(event.at, event.at), alone=alone
    )


def _move(event: IdentityChange) -> Part:
    person = tuple(dict.fromkeys((*lookups(event.before), *lookups(event.after))))
    moment = Moment(min(event.at, event.received_at), event.received_at)
    alone = IdentityChanges(changes=(event,))
    return Part(event=event, person=person, key=event.message_key, moment=moment, alone=alone)
