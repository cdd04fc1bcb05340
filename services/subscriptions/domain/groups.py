"""Parts of a group: each is about one person, and can be sent as a separate group."""

from dataclasses import dataclass

from services.subscriptions.domain.intents.detection import sanitize_text
from services.subscriptions.domain.subscriber import MessageTime, derive_key, list_lookup_indexes
from shared.contracts.envelope import ContractError, Envelope, encode, read_envelope, read_message
from shared.contracts.inbound import (
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    InboundMessages,
    PreferenceChange,
    PreferenceChanges,
)
from shared.contracts.message import Message


@dataclass(frozen=True)
class GroupPart:
    """One event, all blind indexes of its person, its time, and a group that contains only this event."""

    envelope: Envelope
    event: InboundMessage | PreferenceChange | IdentityChange
    person: tuple[bytes, ...]
    identifier: str
    moment: MessageTime
    single: Message

    def encode_alone(self) -> bytes:
        """Encode the part as a separate message; its id is always the same."""
        return encode(self.single, event_id=self.identifier, source=self.envelope.source, time=self.envelope.time)


def read_group(body: bytes) -> list[GroupPart]:
    """Return the events of a group that have a person, with texts cut to the length that is parsed.

    Raises ContractError for any other message.
    """
    envelope = read_envelope(body)
    match read_message(envelope):
        case InboundMessages(messages=messages):
            parts = [_build_message_part(envelope, sanitize_text(message)) for message in messages]
        case PreferenceChanges(changes=changes):
            parts = [_build_preference_part(envelope, change) for change in changes]
        case IdentityChanges(changes=moves):
            parts = [_build_move_part(envelope, move) for move in moves]
        case _:
            raise ContractError(f"unexpected {envelope.type}")
    return [part for part in parts if part.person]


def _build_message_part(envelope: Envelope, event: InboundMessage) -> GroupPart:
    person, moment = list_lookup_indexes(event.sender), MessageTime.read_from(event)
    return GroupPart(envelope, event, person, event.message_key.hex(), moment, InboundMessages(messages=(event,)))


def _build_preference_part(envelope: Envelope, event: PreferenceChange) -> GroupPart:
    person, moment = list_lookup_indexes(event.person), MessageTime(event.at, event.at)
    return GroupPart(envelope, event, person, derive_key(event).hex(), moment, PreferenceChanges(changes=(event,)))


def _build_move_part(envelope: Envelope, event: IdentityChange) -> GroupPart:
    person = tuple(dict.fromkeys((*list_lookup_indexes(event.before), *list_lookup_indexes(event.after))))
    moment = MessageTime(min(event.at, event.received_at), event.received_at)
    return GroupPart(envelope, event, person, event.message_key.hex(), moment, IdentityChanges(changes=(event,)))
