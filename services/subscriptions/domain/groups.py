"""Parts of a group: each is about one person, and can be a group of its own."""

from dataclasses import dataclass
from uuid import UUID

from services.subscriptions.domain.intents.detection import sanitize_text
from services.subscriptions.domain.subscriber import MessageTime, derive_key, list_lookup_indexes
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

InboundEvent = InboundMessage | PreferenceChange | IdentityChange


@dataclass(frozen=True, kw_only=True)
class GroupPart:
    """One event, all blind indexes of its person, its time, and a group that contains only this event."""

    event: InboundEvent
    person: tuple[bytes, ...]
    key: bytes
    moment: MessageTime
    alone: Message

    def encode_alone(self, envelope: Envelope) -> bytes:
        """Encode it as a message of its own, whose id is always the same."""
        return encode(self.alone, event_id=self.identifier, source=envelope.source, time=envelope.time)

    @property
    def identifier(self) -> str:
        return self.key.hex()


@dataclass(frozen=True)
class DeadLetter:
    """Group that could not be handled, and is to be replayed."""

    id: UUID
    body: bytes


def split_group(group: Message) -> list[GroupPart]:
    """Return the events of a group that have a person, their texts cut to the length that is read.

    Raises ContractError for a message that is no such group.
    """
    match group:
        case InboundMessages(messages=messages):
            parts = [_build_message_part(sanitize_text(each)) for each in messages]
        case PreferenceChanges(changes=changes):
            parts = [_build_preference_part(each) for each in changes]
        case IdentityChanges(changes=moves):
            parts = [_build_move_part(each) for each in moves]
        case _:
            raise ContractError(f"unexpected {group.TYPE}")
    return [part for part in parts if part.person]


def _build_message_part(event: InboundMessage) -> GroupPart:
    alone = InboundMessages(messages=(event,))
    return GroupPart(
        event=event,
        person=list_lookup_indexes(event.sender),
        key=event.message_key,
        moment=MessageTime.read_from(event),
        alone=alone,
    )


def _build_preference_part(event: PreferenceChange) -> GroupPart:
    alone = PreferenceChanges(changes=(event,))
    return GroupPart(
        event=event,
        person=list_lookup_indexes(event.person),
        key=derive_key(event),
        moment=MessageTime(event.at, event.at),
        alone=alone,
    )


def _build_move_part(event: IdentityChange) -> GroupPart:
    person = tuple(dict.fromkeys((*list_lookup_indexes(event.before), *list_lookup_indexes(event.after))))
    moment = MessageTime(min(event.at, event.received_at), event.received_at)
    alone = IdentityChanges(changes=(event,))
    return GroupPart(event=event, person=person, key=event.message_key, moment=moment, alone=alone)
