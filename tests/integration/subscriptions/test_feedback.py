"""Feedback, ratings and reactions on a real database."""

from datetime import timedelta

import asyncpg
import msgspec

from services.subscriptions.domain.feedback import MAX_ERASED_FEEDBACK
from shared.contracts.envelope import encode
from shared.contracts.events import FeedbackErased, FeedbackReceived, ReactionLocated, ReactionReceived
from shared.contracts.message import Addresses
from shared.outcome import Done
from tests.factories.citizens import NOON, TEXTS, build_both, build_message, build_phone, build_user
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import count_audience, publish, withdraw


async def rate(harness: SubscriptionsHarness, value: str, sender: Addresses, seconds: float) -> None:
    (broadcast,) = {page.broadcast for page in harness.publisher.list_pages()}
    payload = f"rating:{value}:{broadcast}"
    await harness.receive(build_message("Hilfreich", kind="button", payload=payload, sender=sender, seconds=seconds))


async def test_feedback_is_stored_by_topic_and_broadcast_without_a_number(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", sender=build_both(1))
    await count_audience(harness)
    await rate(harness, "good", build_both(1), 10)
    await rate(harness, "bad", build_both(1), 20)
    await harness.send_texts("Feedback: Weiter so", sender=build_both(1), start=30)
    rows = await harness.fetch_rows(
        "select kind, value, said, topic, extract(minute from at) from subscriptions.feedback order by kind"
    )
    assert [row[:4] for row in rows] == [("rating", "bad", "", "strassensperrungen"), ("text", "", "Weiter so", None)]
    told = harness.publisher.list_messages(FeedbackReceived)
    assert [(each.kind, each.value, each.topic) for each in told] == [
        ("rating", "good", "strassensperrungen"),
        ("rating", "bad", "strassensperrungen"),
        ("text", "", None),
    ]
    assert harness.list_reply_texts()[-1] == TEXTS.feedback_thanks.text
    assert await harness.fetch_rows(
        "select count(*) from subscriptions.inbox where publications::text like '%'"
        " || encode('Weiter so', 'hex') || '%'"
    ) == [(0,)], "the words are in the feedback only"


async def react(harness: SubscriptionsHarness) -> ReactionReceived:
    """Ask the dispatcher which message somebody reacted to."""
    await harness.send_texts("Start", sender=build_both(1))
    await count_audience(harness)
    reaction = build_message("👍", kind="reaction", sender=build_both(1), seconds=10)
    await harness.receive(msgspec.structs.replace(reaction, about_key=b"k"))
    (asked,) = harness.publisher.list_messages(ReactionReceived)
    return asked


async def locate(harness: SubscriptionsHarness, asked: ReactionReceived, value: str) -> None:
    located = ReactionLocated(
        reaction=asked.reaction,
        subscriber=asked.subscriber,
        broadcast=asked.broadcasts[0],
        value=value,
        at=asked.at,
    )
    body = encode(located, event_id="r", source="/kreisfunk/dispatcher", time=NOON)
    assert await harness.parts.inbound.handle_reaction(body) == Done()


async def test_a_reaction_is_located_counted_and_taken_back(harness: SubscriptionsHarness) -> None:
    asked = await react(harness)
    assert (asked.about_key, len(asked.broadcasts), asked.value) == (b"k", 1, "👍")
    for value, expected in (("👍", [("reaction", "👍")]), ("", [])):
        await locate(harness, asked, value)
        assert await harness.fetch_rows("select kind, value from subscriptions.feedback") == expected
    assert len(harness.list_reply_texts()) == 1


async def test_a_reaction_is_never_about_what_has_not_begun(harness: SubscriptionsHarness) -> None:
    """Many planned notices would take the places of those that were sent."""
    begins = (harness.now + timedelta(hours=1)).isoformat()
    for notice in ("planned", "withdrawn"):
        await publish(harness, notice=notice, scheduled_at=begins, event_id=notice)
    await withdraw(harness, "withdrawn")
    asked = await react(harness)
    assert set(asked.broadcasts) == {page.broadcast for page in harness.publisher.list_pages()}
    assert len(asked.broadcasts) == 1


async def test_a_reaction_that_is_located_after_an_erasure_is_not_stored(harness: SubscriptionsHarness) -> None:
    asked = await react(harness)
    await harness.send_texts("Löschen", sender=build_both(1), start=20)
    for value in ("👍", ""):
        await locate(harness, asked, value)
    assert await harness.fetch_rows("select id from subscriptions.feedback") == []
    assert harness.publisher.list_messages(FeedbackReceived) == []


async def test_an_erasure_names_all_feedback_of_its_person(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """However much it is: in events of a bounded size, each with an id of its own."""
    await harness.send_texts("Feedback: Weiter so", sender=build_phone(1))
    ((author,),) = await harness.fetch_rows("select author from subscriptions.feedback")
    many = "insert into subscriptions.feedback (id, kind, at, author) select gen_random_uuid(), 'text', now(), $1"
    await owner.execute(f"{many} from generate_series(1, $2)", author, MAX_ERASED_FEEDBACK)
    feedback_ids = {identifier for (identifier,) in await harness.fetch_rows("select id from subscriptions.feedback")}
    await harness.send_texts("Löschen", sender=build_phone(1), start=10)
    told = harness.publisher.list_messages(FeedbackErased)
    assert [len(each.feedback) for each in told] == [MAX_ERASED_FEEDBACK, 1]
    assert {identifier for each in told for identifier in each.feedback} == feedback_ids
    published = [each.message_id for each in harness.publisher.published if each.key == FeedbackErased.KEY]
    assert len(set(published)) == 2


async def test_what_a_stranger_said_is_shown_and_erased_when_meta_leaves_their_number_out(
    harness: SubscriptionsHarness,
) -> None:
    """As with somebody who has a username, after a month without a message."""
    for citizen in range(8):
        await harness.send_texts(f"Feedback: Danke {citizen}", sender=build_both(citizen), start=citizen)
        await harness.send_texts("Daten", "Löschen", sender=build_user(citizen), start=20 + 2 * citizen)
        assert f"„Danke {citizen}“" in harness.list_reply_texts()[-2]
    assert await harness.fetch_rows("select said from subscriptions.feedback") == []
    assert len(harness.publisher.list_messages(FeedbackErased)) == 8
