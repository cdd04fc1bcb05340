"""Start, Stop and everything else on a real database."""

import asyncio

import asyncpg
import pytest

from services.subscriptions.domain.publication import Publication
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import decode, encode
from shared.contracts.events import NoticeAccepted, SubscriptionEnded, SubscriptionStarted
from shared.contracts.ids import make_timed_id
from shared.contracts.inbound import InboundMessages
from shared.contracts.message import Addresses
from shared.outcome import Dead, DependencyUnavailable, Separate
from tests.databases import wait_until_locked
from tests.factories.citizens import (
    COUNTY,
    NOON,
    TEXTS,
    build_both,
    build_message,
    build_phone,
    build_time,
    build_user,
)
from tests.integration.subscriptions.harness import SubscriptionsHarness, encode_group

CONSENTS = "select sequence, event, cardinality(topics), wording_hash from subscriptions.consent order by id"
SUBSCRIBERS = "select state, sequence from subscriptions.subscriber order by id"


async def test_start_subscribes_tells_and_answers(harness: SubscriptionsHarness) -> None:
    start = build_message("Start")
    await harness.receive(start)
    assert await harness.fetch_rows(SUBSCRIBERS) == [("subscribed", 1)]
    assert await harness.fetch_rows(CONSENTS) == [(1, "given", 4, TEXTS.receipt.hash)]
    (started,) = harness.publisher.list_messages(SubscriptionStarted)
    assert (started.sequence, frozenset(started.topics)) == (1, COUNTY.topic_ids)
    (reply,) = harness.publisher.list_messages(ReplyRequested)
    assert reply.reply == make_timed_id(start.sent_at, b"reply", start.message_key)
    assert (reply.recipient, reply.text, reply.withdrawal) == (start.sender.phone, TEXTS.receipt.text, None)
    assert build_time(23.9 * 3600) < reply.expires_at < build_time(24 * 3600)
    await harness.receive(build_message("Anmelden", seconds=5))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("subscribed", 2)]
    assert len(harness.publisher.list_messages(SubscriptionStarted)) == 1


async def test_stop_tells_the_dispatcher_before_it_is_confirmed(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"), build_message("Stop bitte", seconds=1))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("unsubscribed", 2)]
    assert await harness.fetch_rows("select * from subscriptions.subscription") == []
    query = "select phone_index is null, user_index is null, phone_sealed, user_sealed from subscriptions.subscriber"
    assert await harness.fetch_rows(query) == [(False, False, None, None)]
    assert [row[:3] for row in await harness.fetch_rows(CONSENTS)] == [(1, "given", 4), (2, "withdrawn", 4)]
    ended, confirmation = harness.publisher.published[-2:]
    assert (ended.key, ended.required, confirmation.key) == ("subscription.ended", True, "reply")
    (end,) = harness.publisher.list_messages(SubscriptionEnded)
    reply = harness.publisher.list_messages(ReplyRequested)[-1]
    assert reply.text == TEXTS.unsubscribe_confirmation.text
    withdrawal = reply.withdrawal
    assert withdrawal is not None
    assert (withdrawal.subscriber, withdrawal.sequence, withdrawal.topic) == (end.subscriber, 2, None)


async def test_a_redelivery_publishes_the_same_bytes_and_changes_nothing(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    messages = (build_message("Start"), build_message("Hallo", seconds=1), build_message("Stop", seconds=2))
    await harness.receive(*messages)
    before = await harness.fetch_rows(SUBSCRIBERS), await harness.fetch_rows(CONSENTS)
    other.now = build_time(3600)
    await other.receive(*reversed(messages))
    assert sorted(other.publisher.published, key=id_of) == sorted(harness.publisher.published, key=id_of)
    assert (await harness.fetch_rows(SUBSCRIBERS), await harness.fetch_rows(CONSENTS)) == before
    assert other.read_metric("kreisfunk_subscriptions_inbound_total", outcome="started") == 0


def id_of(publication: Publication) -> str:
    return publication.message_id


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_crash_between_commit_and_publish_is_healed_by_the_redelivery(
    harness: SubscriptionsHarness, arrives: bool
) -> None:
    with harness.publisher.failing("reply", arrives=arrives):
        await harness.receive(build_message("Start"))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("subscribed", 1)]
    await harness.receive(build_message("Start"))
    assert len({reply.reply for reply in harness.publisher.list_messages(ReplyRequested)}) == 1
    assert len(await harness.fetch_rows(CONSENTS)) == 1


async def test_a_column_that_a_newer_version_adds_meanwhile_does_not_put_off_a_stop(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """The consumer repeats it at once, as after any outage; taken for a bug it would wait ten seconds."""
    await harness.receive(build_message("Start"))
    await owner.execute("alter table subscriptions.subscriber add column newer text")
    with pytest.raises(DependencyUnavailable):
        await harness.receive(build_message("Stop", seconds=1))
    await harness.receive(build_message("Stop", seconds=1))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("unsubscribed", 2)]


async def test_other_messages_get_one_hint_a_day_whoever_writes(harness: SubscriptionsHarness) -> None:
    await harness.receive(
        build_message("Hallo", sender=build_phone(1)), build_message("Hallo?", sender=build_both(1), seconds=60)
    )
    await harness.receive(build_message(None, kind="audio", sender=build_phone(1), seconds=86_399))
    assert harness.list_reply_texts() == [TEXTS.hint.text]
    assert await harness.fetch_rows(SUBSCRIBERS) == []
    harness.now = build_time(86_401)
    await harness.receive(build_message("Hallo!", sender=build_phone(1), seconds=86_400))
    assert len(harness.list_reply_texts()) == 2
    await harness.receive(build_message("Hallo!", sender=build_phone(2), seconds=86_400))
    assert len(harness.list_reply_texts()) == 3, "somebody else's hint does not count"


async def test_reactions_and_unknown_kinds_are_not_answered(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("👍", kind="reaction"), build_message("Start", kind="hologram"))
    assert (harness.publisher.published, await harness.fetch_rows(SUBSCRIBERS)) == ([], [])
    assert harness.read_metric("kreisfunk_subscriptions_inbound_total", outcome="ignored") == 2


async def test_what_arrives_late_is_recorded_as_outdated(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Stop", seconds=9), build_message("Start", seconds=4))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("unsubscribed", 1)]
    assert len(harness.list_reply_texts()) == 1
    results = await harness.fetch_rows("select result from subscriptions.inbox order by result")
    assert results == [("ended",), ("outdated",)]


async def test_a_message_without_an_address_is_passed_over(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start", sender=Addresses()), build_message("Start", sender=build_phone(2)))
    assert len(await harness.fetch_rows(SUBSCRIBERS)) == 1


async def test_bytes_that_are_no_group_are_stored_for_an_operator(harness: SubscriptionsHarness) -> None:
    assert isinstance(await harness.parts.inbound.handle(b"{"), Dead)
    accepted = NoticeAccepted(source="/x", event="e", notice="n", revision=1, broadcast=make_timed_id(NOON))
    body = encode(accepted, event_id="e", source="/x", time=NOON)
    assert await harness.parts.inbound.handle(body) == Dead(f"unexpected {NoticeAccepted.TYPE}")


async def test_a_failing_message_is_separated_and_does_not_keep_the_others_back(harness: SubscriptionsHarness) -> None:
    failing, others = build_message("Start"), [build_message("Start", sender=build_phone(each)) for each in (2, 3)]
    await harness.fetch_rows(
        "insert into subscriptions.inbox values ($1, 'broken', 'x', now()) returning 1", failing.message_key
    )
    outcome = await harness.parts.inbound.handle(encode_group([others[0], failing, others[1]]))
    assert isinstance(outcome, Separate)
    assert outcome.reason == "unexpected ValidationError"
    assert [decode(body) for body in outcome.parts.values()] == [InboundMessages(messages=(failing,))]
    assert len(harness.list_reply_texts()) == 2


async def test_one_person_at_two_addresses_at_once_is_one_person_in_the_end(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Start", sender=build_both(1)))
    await asyncio.gather(
        *(
            harness.receive(build_message("Start", sender=build_phone(1), seconds=each, name=each))
            for each in range(1, 10)
        ),
        *(
            other.receive(build_message("Start", sender=build_user(1), seconds=each, name=each))
            for each in range(1, 10)
        ),
    )
    await other.receive(build_message("Stop", sender=build_both(1), seconds=20))
    assert [state for state, _ in await harness.fetch_rows(SUBSCRIBERS)] == ["unsubscribed"]


async def test_two_rows_of_one_person_become_one(harness: SubscriptionsHarness) -> None:
    await harness.receive(
        build_message("Start", sender=build_phone(1)), build_message("Start", sender=build_user(1), seconds=1)
    )
    assert await harness.fetch_rows(SUBSCRIBERS) == [("subscribed", 1), ("subscribed", 1)]
    await harness.receive(build_message("Hallo", sender=build_both(1), seconds=2))
    states = "select state, phone_index is not null, user_index is not null from subscriptions.subscriber order by id"
    assert await harness.fetch_rows(states) == [("subscribed", True, True), ("merged", False, False)]
    assert await harness.fetch_rows("select count(*) from subscriptions.subscription") == [(4,)]
    (end,) = harness.publisher.list_messages(SubscriptionEnded)
    assert end.sequence == 2
    assert (await harness.fetch_rows(CONSENTS))[-1][:2] == (2, "merged")


async def test_a_stop_by_either_address_holds_for_both(harness: SubscriptionsHarness) -> None:
    await harness.receive(
        build_message("Start", sender=build_both(1)), build_message("Stop", sender=build_user(1), seconds=1)
    )
    await harness.receive(build_message("Hallo", sender=build_phone(1), seconds=2))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("unsubscribed", 2)]


async def test_a_topic_that_the_other_address_drops_meanwhile_stays_dropped(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    """Webhooks that name one address each do not wait for one another before they have found the row."""
    await harness.receive(build_message("Start", sender=build_both(1)))
    async with harness.database.transaction() as dropping:
        await dropping.execute("update subscriptions.subscriber set sequence = sequence + 1")
        await dropping.execute("delete from subscriptions.subscription where topic = 'stellen'")
        pausing = asyncio.create_task(other.receive(build_message("Pause 3 Tage", sender=build_phone(1), seconds=5)))
        await wait_until_locked(other.database)
    await pausing
    assert await harness.fetch_rows(SUBSCRIBERS) == [("subscribed", 3)]
    topics = await harness.fetch_rows("select topic from subscriptions.subscription")
    assert {topic for (topic,) in topics} == COUNTY.topic_ids - {"stellen"}


async def test_a_large_group_is_handled_in_the_order_of_each_person(harness: SubscriptionsHarness) -> None:
    words = ["Start", "Stop", "Start", "Hallo", "Stop"]
    talk = [
        build_message(word, sender=build_both(citizen), seconds=0, lag=each)
        for each, word in enumerate(words)
        for citizen in range(40)
    ]
    harness.now = build_time(10)
    await harness.receive(*talk)
    assert await harness.fetch_rows("select distinct state, sequence from subscriptions.subscriber") == [
        ("unsubscribed", 4)
    ]
    assert len(harness.list_reply_texts()) == 40 * 5
