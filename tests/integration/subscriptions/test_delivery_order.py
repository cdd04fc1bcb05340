"""Two "Start" and a "Stop" of one person, each delivered twice, in every order there is, on two replicas."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations, product
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import pytest

from services.subscriptions.domain.publication import Destination
from services.subscriptions.domain.subscriber import list_indexes
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import decode
from shared.contracts.events import SubscriptionEnded
from shared.contracts.inbound import InboundMessage
from tests.factories.citizens import build_both, build_message, build_phone, build_user
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish

# When "Start", "Start" and "Stop" were said, in Meta's whole seconds, and how long each was under way to us.
MOMENTS = {
    "the Stop last": ((1, 2, 3), (0.1, 0.1, 0.1)),
    "the Stop between": ((1, 3, 2), (0.1, 0.1, 0.1)),
    "the Stop first": ((2, 3, 1), (0.1, 0.1, 0.1)),
    "all in one second, the Stop reached us last": ((2, 2, 2), (0.1, 0.2, 0.3)),
    "all in one second, the Stop reached us first": ((2, 2, 2), (0.2, 0.3, 0.1)),
}
_STATES = """
select state from subscriptions.subscriber where phone_index in ($1, $2) or user_index in ($1, $2)
"""
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


@pytest.mark.parametrize(
    ("last", "left"), [("Stop", {"unsubscribed"}), ("Löschen", set[str]()), ("Start", {"subscribed"})]
)
async def test_what_two_rows_were_told_ends_with_the_last_word_of_both_in_every_order(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, last: str, left: set[str]
) -> None:
    """They start from a user id and from a number, and the last message names both; any of the three comes twice."""
    orders = list(product(permutations(range(3)), range(3)))
    for citizen, (order, again) in enumerate(orders):
        senders = (build_user(citizen), build_phone(citizen), build_both(citizen))
        said = [
            build_message(text, sender=sender, seconds=at)
            for at, (text, sender) in enumerate(zip(("Start", "Start", last), senders, strict=True))
        ]
        for number, each in enumerate((*order, again)):
            await (harness, other)[number % 2].receive(said[each])
        rows = await harness.fetch_rows(_STATES, *list_indexes(build_both(citizen)))
        assert {state for (state,) in rows} == left, (order, again)
    assert len(await list_recipients(harness)) == len(orders) * (last == "Start")


async def list_recipients(harness: SubscriptionsHarness) -> dict[UUID, int]:
    """Publish a notice, and return to whom it goes, and by which consent."""
    await publish(harness)
    await harness.expand()
    return {each.subscriber: each.sequence for page in harness.publisher.list_pages() for each in page.recipients}


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
    ended = [each for replica in replicas for each in replica.publisher.list_messages(SubscriptionEnded)]
    suppressed = {each.subscriber: each.sequence for each in sorted(ended, key=attrgetter("sequence"))}
    recipients = await list_recipients(replicas[0])
    rows = await replicas[0].fetch_rows("select id, state from subscriptions.subscriber")
    assert recipients.keys() == {row for row, state in rows if state == "subscribed"}
    assert all(sequence > suppressed.get(row, 0) for row, sequence in recipients.items()), "else it is not sent"


def _answers(replicas: Sequence[SubscriptionsHarness]) -> Counter[bytes]:
    """Return how many different answers each person gets; one that is published again is the same, byte by byte."""
    bodies: dict[str, bytes] = {}
    for publication in (each for replica in replicas for each in replica.publisher.published):
        if publication.destination is Destination.DISPATCH:
            assert bodies.setdefault(publication.message_id, publication.body) == publication.body
    replies = [decode(body) for body in bodies.values()]
    return Counter(reply.recipient.index for reply in replies if isinstance(reply, ReplyRequested))


async def test_what_is_older_than_the_last_message_that_an_erasure_took_along_brings_nothing_back(
    harness: SubscriptionsHarness,
) -> None:
    for text, seconds in (("Start", 0), ("nur Stellen", 20), ("Löschen", 10), ("Feedback: Danke", 15)):
        await harness.receive(build_message(text, seconds=seconds))
    for table in ("subscriber", "feedback"):
        assert await harness.fetch_rows(f"select from subscriptions.{table}") == [], table
