"""Feedback, ratings and reactions on a real database."""

from datetime import timedelta

import asyncpg
import msgspec

from services.subscriptions.domain.feedback import MAX_ERASED_FEEDBACK
from shared.contracts.envelope import encode
from shared.contracts.events import FeedbackErased, FeedbackReceived, ReactionLocated, ReactionReceived
from shared.contracts.message import Addresses
from shared.outcome import Done
from tests.factories.citizens import NOON, TEXTS, build_both, build_message, build_phone
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import count_audience, publish, withdraw


async def rate(stand: SubscriptionsHarness, value: str, sender: Addresses, seconds: float) -> None:
    (broadcast,) = {page.broadcast for page in stand.publisher.list_pages()}
    payload = f"rating:{value}:{broadcast}"
    await stand.receive(build_message("Hilfreich", kind="button", payload=payload, sender=sender, seconds=seconds))


async def test_feedback_is_kept_by_topic_and_broadcast_without_a_number(stand: SubscriptionsHarness) -> None:
    await stand.send_texts("Start", sender=build_both(1))
    await count_audience(stand)
    await rate(stand, "good", build_both(1), 10)
    await rate(stand, "bad", build_both(1), 20)
    await stand.send_texts("Feedback: Weiter so", sender=build_both(1), start=30)
    kept = await stand.fetch_rows(
        "select kind, value, said, topic, extract(minute from at) from subscriptions.feedback order by kind"
    )
    assert [row[:4] for row in kept] == [("rating", "bad", "", "strassensperrungen"), ("text", "", "Weiter so", None)]
    told = stand.publisher.list_messages(FeedbackReceived)
    assert [(each.kind, each.value, each.topic) for each in told] == [
        ("rating", "good", "strassensperrungen"),
        ("rating", "bad", "strassensperrungen"),
        ("text", "", None),
    ]
    assert stand.list_reply_texts()[-1] == TEXTS.feedback_thanks.text
    assert await stand.fetch_rows(
        "select count(*) from subscriptions.inbox where publications::text like '%'"
        " || encode('Weiter so', 'hex') || '%'"
    ) == [(0,)], "the words are in the feedback only"


async def react(stand: SubscriptionsHarness) -> ReactionReceived:
    """Ask the dispatcher which message somebody reacted to."""
    await stand.send_texts("Start", sender=build_both(1))
    await count_audience(stand)
    reaction = build_message("👍", kind="reaction", sender=build_both(1), seconds=10)
    await stand.receive(msgspec.structs.replace(reaction, about_key=b"k"))
    (asked,) = stand.publisher.list_messages(ReactionReceived)
    return asked


async def locate(stand: SubscriptionsHarness, asked: ReactionReceived, value: str) -> None:
    located = ReactionLocated(
        reaction=asked.reaction,
        subscriber=asked.subscriber,
        broadcast=asked.broadcasts[0],
        value=value,
        at=asked.at,
    )
    body = encode(located, event_id="r", source="/kreisfunk/dispatcher", time=NOON)
    assert await stand.parts.inbound.handle_reaction(body) == Done()


async def test_a_reaction_is_located_counted_and_taken_back(stand: SubscriptionsHarness) -> None:
    asked = await react(stand)
    assert (asked.about_key, len(asked.broadcasts), asked.value) == (b"k", 1, "👍")
    for value, kept in (("👍", [("reaction", "👍")]), ("", [])):
        await locate(stand, asked, value)
        assert await stand.fetch_rows("select kind, value from subscriptions.feedback") == kept
    assert len(stand.list_reply_texts()) == 1


async def test_a_reaction_is_never_about_what_has_not_begun(stand: SubscriptionsHarness) -> None:
    """Many planned notices would take the places of those that were sent."""
    begins = (stand.now + timedelta(hours=1)).isoformat()
    for notice in ("planned", "withdrawn"):
        await publish(stand, notice=notice, scheduled_at=begins, event_id=notice)
    await withdraw(stand, "withdrawn")
    asked = await react(stand)
    assert set(asked.broadcasts) == {page.broadcast for page in stand.publisher.list_pages()}
    assert len(asked.broadcasts) == 1


async def test_a_reaction_that_is_located_after_an_erasure_is_not_kept(stand: SubscriptionsHarness) -> None:
    asked = await react(stand)
    await stand.send_texts("Löschen", sender=build_both(1), start=20)
    for value in ("👍", ""):
        await locate(stand, asked, value)
    assert await stand.fetch_rows("select id from subscriptions.feedback") == []
    assert stand.publisher.list_messages(FeedbackReceived) == []


async def test_an_erasure_names_all_feedback_of_its_person(
    stand: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """However much it is: in events of a bounded size, each with an id of its own."""
    await stand.send_texts("Feedback: Weiter so", sender=build_phone(1))
    ((author,),) = await stand.fetch_rows("select author from subscriptions.feedback")
    many = "insert into subscriptions.feedback (id, kind, at, author) select gen_random_uuid(), 'text', now(), $1"
    await owner.execute(f"{many} from generate_series(1, $2)", author, MAX_ERASED_FEEDBACK)
    kept = {identifier for (identifier,) in await stand.fetch_rows("select id from subscriptions.feedback")}
    await stand.send_texts("Löschen", sender=build_phone(1), start=10)
    told = stand.publisher.list_messages(FeedbackErased)
    assert [len(each.feedback) for each in told] == [MAX_ERASED_FEEDBACK, 1]
    assert {identifier for each in told for identifier in each.feedback} == kept
    published = [each.message_id for each in stand.publisher.published if each.key == FeedbackErased.KEY]
    assert len(set(published)) == 2
