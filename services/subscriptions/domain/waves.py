"""Which messages of a group may be handled at the same time: never two of one person."""

from collections.abc import Iterator, Sequence

from services.subscriptions.domain.subscriber import indexes
from shared.contracts.inbound import InboundMessage


def waves(messages: Sequence[InboundMessage], size: int) -> Iterator[list[InboundMessage]]:
    """The messages in their order, cut before a sender comes again and after `size` messages."""
    wave: list[InboundMessage] = []
    senders: set[bytes] = set()
    for message in messages:
        addresses = indexes(message.sender)
        if len(wave) == size or not senders.isdisjoint(addresses):
            yield wave
            wave, senders = [], set()
        wave.append(message)
        senders.update(addresses)
    if wave:
        yield wave
