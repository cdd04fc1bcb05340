"""Two "Start" and a "Stop" of one person, each delivered twice, in every order there is, on two replicas."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import pytest

from services.subscriptions.domain.publication import Destination
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import decode
from shared.contracts.inbound import InboundMessage
from tests.factories.citizens import build_both, build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness

# When "Start", "Start" and "Stop" were said, in Meta's whole seconds, and how long each was under way to us.
MOMENTS = {
    "the Stop last": ((1, 2, 3), (0.1, 0.1, 0.1)),
    "the Stop between": ((1, 3, 2), (0.1, 0.1, 0.1)),
    "the Stop first": ((2, 3, 1), (0.1, 0.1, 0.1)),
    "all in one second, the Stop reached us last": ((2, 2, 2), (0.1, 0.2, 0.3)),
    "all in one second, the Stop reached us first": ((2, 2, 2), (0.2, 0.3, 0.1)),
}
_ROWS = """
select state, sequence, array(
    select event from subscriptions.consent c where c.subscriber_id = s.id order by c.sequence) as events, array(
    select sequence from subscriptions.consent c where c.subscriber_id = s.id order by c.sequence) as numbers
from subscriptions.subscriber s where phone_index = $1 or user_index = $2
"""


class Talk(NamedTuple):
    """Messages of one person in the order of delivery; the last one counts."""

    citizen: int
    deliveries: tuple[InboundMessage, ...]
    last: InboundMessage


def orders() -> list[tuple[int, ...]]:
    """All 90 of six deliveries of three messages."""
    return sorted(set(permutations((0, 0, 1, 1, 2, 2))))


def talks(moments: tuple[tuple[int, ...], tuple[float, ...]]) -> Iterator[Talk]:
    for citizen, order in enumerate(orders()):
        said = [
            build_message(text, sender=build_both(citizen), seconds=at, lag=lag, name=number)
            for number, (text, at, lag) in enumerate(zip(("Start", "Start", "Stop"), *moments, strict=True))
        ]
        last = max(said, key=lambda each: (each.sent_at, each.received_at))
        yield Talk(citizen, tuple(said[each] for each in order), last)


@pytest.mark.parametrize("moments", MOMENTS.values(), ids=MOMENTS)
async def test_every_delivery_order_ends_with_the_last_word(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, moments: tuple[tuple[int, ...], tuple[float, ...]]
) -> None:
    """One after the other, alternately at one replica and at the other."""
    everybody = list(talks(moments))
    for index, deliveries in enumerate(zip(*(talk.deliveries for talk in everybody), strict=True)):
        await (harness, other)[index % 2].receive(*deliveries)
    await check(everybody, harness, other)


@pytest.mark.parametrize("moments", MOMENTS.values(), ids=MOMENTS)
async def test_all_at_once_ends_with_the_last_word(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, moments: tuple[tuple[int, ...], tuple[float, ...]]
) -> None:
    """All six deliveries of twelve people, at both replicas."""
    everybody = list(talks(moments))[::8]
    replicas = (harness, other)
    deliveries = [each for talk in everybody for each in talk.deliveries]
    await asyncio.gather(*(replicas[number % 2].receive(each) for number, each in enumerate(deliveries)))
    await check(everybody, harness, other)


async def check(everybody: Sequence[Talk], *replicas: SubscriptionsHarness) -> None:
    """One row, a chain without a gap, and one answer to each message that had an effect, however often it came."""
    answers = _answers(replicas)
    for talk in everybody:
        sender = build_both(talk.citizen)
        assert sender.phone is not None
        assert sender.user is not None
        ((state, sequence, events, numbers),) = await replicas[0].fetch_rows(
            _ROWS, sender.phone.index, sender.user.index
        )
        assert (state == "subscribed") == (talk.last.text == "Start"), talk
        assert isinstance(events, list)
        assert numbers == list(range(1, len(events) + 1))
        assert (sequence, events[-1]) == (len(events), "given" if state == "subscribed" else "withdrawn")
        assert answers[sender.phone.index] == len(events), talk


def _answers(replicas: Sequence[SubscriptionsHarness]) -> Counter[bytes]:
    """Return how many different answers each person gets; one that is published again is the same, byte by byte."""
    bodies: dict[str, bytes] = {}
    for publication in (each for replica in replicas for each in replica.publisher.published):
        if publication.destination is Destination.DISPATCH:
            assert bodies.setdefault(publication.message_id, publication.body) == publication.body
    replies = [decode(body) for body in bodies.values()]
    return Counter(reply.recipient.index for reply in replies if isinstance(reply, ReplyRequested))
