"""A new number that becomes known late: amid an expansion, or after an erasure."""

import asyncpg
import pytest

from services.subscriptions.adapters.retention import NO_PUBLICATIONS
from services.subscriptions.domain.subscriber import list_indexes
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import FeedbackErased, SubscriberErased, SubscriptionEnded
from shared.contracts.message import Addresses
from shared.outcome import Done
from tests.factories.citizens import build_both, build_message, build_move, build_phone, build_time, build_user
from tests.integration.subscriptions.harness import SubscriptionsHarness, encode_group, subscribe_many
from tests.integration.subscriptions.notice_factory import publish

STEP_SIZE = 400  # subscribers on the pages of one expansion step
OLD, NEW = build_both(1), build_both(2)


async def hear_of_the_move(
    harness: SubscriptionsHarness, before: Addresses = OLD, after: Addresses = NEW, *, at: float = 20
) -> None:
    await harness.receive_moves(build_move(before, after, seconds=at, lag=60))


@pytest.mark.parametrize("said", [("Start", "Stop"), ("Start",)], ids=["stopped", "subscribed"])
async def test_whoever_wrote_from_the_new_number_gets_it_there_once(
    harness: SubscriptionsHarness, owner: asyncpg.Connection, said: tuple[str, ...]
) -> None:
    """The first step ends between the two rows."""
    await subscribe_many(owner, STEP_SIZE - 1 - ("Stop" not in said))
    await harness.send_texts(*said, sender=OLD)
    await harness.receive(build_message("Start", sender=build_both("between"), seconds=5))
    await harness.receive(build_message("Start", sender=NEW, seconds=30))
    harness.now = build_time(60)
    await publish(harness)
    assert await harness.parts.expander.expand_next()
    await hear_of_the_move(harness)
    await harness.expand()
    ended = {each.subscriber for each in harness.publisher.list_messages(SubscriptionEnded) if each.topic is None}
    recipients = [each for page in harness.publisher.list_pages() for each in page.recipients]
    ((stays,),) = await harness.fetch_rows("select id from subscriptions.subscriber where phone_index = $1", NEW_INDEX)
    assert [each.address for each in recipients if each.subscriber == stays] == [NEW.phone]
    assert [each for each in recipients if each.address in (OLD.phone, NEW.phone) and each.subscriber not in ended] == [
        each for each in recipients if each.subscriber == stays
    ]
    assert stays not in ended


OLD_PHONE, NEW_PHONE = build_phone(1), build_phone(2)
OLD_INDEX, NEW_INDEX = (list_indexes(phone)[0] for phone in (OLD_PHONE, NEW_PHONE))
SUBSCRIBERS = "select phone_index, state from subscriptions.subscriber"


async def test_whoever_had_everything_erased_at_the_new_number_is_erased_at_the_old_one(
    harness: SubscriptionsHarness,
) -> None:
    await harness.send_texts("Start", "Feedback: Danke", sender=OLD_PHONE)
    ((subscriber,),) = await harness.fetch_rows("select id from subscriptions.subscriber")
    await harness.receive(build_message("Löschen", sender=NEW_PHONE, seconds=90))
    for _ in range(2):
        await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=60)
    await harness.receive(build_message("Start", sender=OLD_PHONE, seconds=30, name="late"))
    assert await harness.fetch_rows(SUBSCRIBERS) == []
    assert await harness.fetch_rows("select said from subscriptions.feedback") == []
    ended = harness.publisher.list_messages(SubscriptionEnded)[-1]
    assert (ended.subscriber, ended.sequence) == (subscriber, 2)
    erased = harness.publisher.list_messages(SubscriberErased)[-1]
    assert (erased.subscribers, erased.addresses) == ((subscriber,), (OLD_PHONE.phone,))
    assert len(harness.publisher.list_messages(FeedbackErased)) == 1
    assert await harness.fetch_rows(
        "select distinct publications from subscriptions.inbox where result = 'erased'"
    ) == [(NO_PUBLICATIONS,)]
    events = "select event from subscriptions.consent where subscriber_id = $1 order by id"
    assert await harness.fetch_rows(events, subscriber) == [("given",), ("erased",)]


@pytest.mark.parametrize(("text", "left"), [("Stop", ["unsubscribed"]), ("Löschen", []), ("Start", ["subscribed"])])
async def test_what_was_written_before_a_move_and_arrives_after_it_is_by_whoever_moved(
    harness: SubscriptionsHarness, text: str, left: list[str]
) -> None:
    await harness.send_texts("Start", sender=OLD_PHONE)
    ((subscriber,),) = await harness.fetch_rows("select id from subscriptions.subscriber")
    await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=60)
    await harness.receive(build_message(text, sender=OLD_PHONE, seconds=30, name="late"))
    assert await harness.fetch_rows(SUBSCRIBERS) == [(NEW_INDEX, state) for state in left]
    ended = [each.subscriber for each in harness.publisher.list_messages(SubscriptionEnded)]
    assert ended == ([] if text == "Start" else [subscriber])
    assert harness.publisher.list_messages(ReplyRequested)[-1].recipient == NEW_PHONE.phone


async def test_who_has_the_old_number_is_told_nothing_of_a_mover_who_has_unsubscribed(
    harness: SubscriptionsHarness,
) -> None:
    await harness.send_texts("Start", "Feedback: Danke", sender=OLD_PHONE)
    await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=60)
    await harness.send_texts("Stop", sender=NEW_PHONE, start=70)
    await harness.receive(build_message("Daten", sender=OLD_PHONE, seconds=30, name="late"))
    told = harness.publisher.list_messages(ReplyRequested)[-1]
    assert told.recipient == OLD_PHONE.phone
    assert "Danke" not in told.text
    assert "20. November" not in told.text


async def test_what_was_written_before_a_move_reaches_the_row_that_took_over_the_mover(
    harness: SubscriptionsHarness,
) -> None:
    """Whoever moved has also written from a user id alone, chosen later there, and now writes from both."""
    both = Addresses(phone=NEW_PHONE.phone, user=build_both(9).user)
    await harness.send_texts("Start", sender=OLD_PHONE)
    await harness.send_texts("Start", sender=Addresses(user=both.user), start=5)
    await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=60)
    await harness.send_texts("nur Stellen", sender=Addresses(user=both.user), start=70)
    await harness.send_texts("Hallo", sender=both, start=80)
    states = "select state from subscriptions.subscriber order by state"
    assert await harness.fetch_rows(states) == [("merged",), ("subscribed",)]
    await harness.receive(build_message("Stop", sender=OLD_PHONE, seconds=30, name="late"))
    assert await harness.fetch_rows(states) == [("merged",), ("unsubscribed",)]


async def test_whoever_gets_a_number_that_was_given_up_is_somebody_else(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", sender=OLD_PHONE)
    await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=60)
    await harness.send_texts("Stop", sender=OLD_PHONE, start=90)
    assert set(await harness.fetch_rows(SUBSCRIBERS)) == {
        (NEW_INDEX, "subscribed"),
        (OLD_INDEX, "unsubscribed"),
    }


async def test_whoever_came_back_at_the_new_number_after_the_erasure_stays(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", sender=OLD_PHONE)
    await harness.send_texts("Löschen", "Start", sender=NEW_PHONE, start=90)
    await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=60)
    assert await harness.fetch_rows(SUBSCRIBERS) == [(NEW_INDEX, "subscribed")]


@pytest.mark.parametrize(("start", "at"), [(95, 60), (0, 120)], ids=["started later", "moved later"])
async def test_an_erasure_from_before_the_start_or_the_move_erases_nobody_else(
    harness: SubscriptionsHarness, start: float, at: float
) -> None:
    await harness.send_texts("Löschen", sender=NEW_PHONE, start=90)
    await harness.send_texts("Start", sender=OLD_PHONE, start=start)
    await hear_of_the_move(harness, OLD_PHONE, NEW_PHONE, at=at)
    assert await harness.fetch_rows(SUBSCRIBERS) == [(NEW_INDEX, "subscribed")]


async def test_whoever_has_the_old_number_reaches_nothing_of_whoever_moved(harness: SubscriptionsHarness) -> None:
    neighbour = Addresses(phone=OLD.phone, user=build_user("neighbour").user)
    await harness.send_texts("Feedback: Danke", "Start", sender=OLD)
    await hear_of_the_move(harness)
    await harness.send_texts("Hallo", sender=NEW, start=70)
    letter = encode_group([build_message("Stop", sender=NEW, seconds=80)])
    assert await harness.parts.dead_letters.store(letter, "unexpected Error") == Done()
    await harness.send_texts("Daten", "Löschen", sender=neighbour, start=90)
    assert "Danke" not in harness.list_reply_texts()[-2]
    assert await harness.fetch_rows("select said from subscriptions.feedback") == [("Danke",)]
    assert await harness.fetch_rows("select reason from subscriptions.dead_letter") == [("unexpected Error",)]
    (erased,) = harness.publisher.list_messages(SubscriberErased)
    assert {address.index for address in erased.addresses} == set(list_indexes(neighbour))


@pytest.mark.parametrize("text", ["Start", "Feedback: Danke"])
async def test_what_was_written_before_a_move_and_arrives_after_an_erasure_changes_nothing(
    harness: SubscriptionsHarness, text: str
) -> None:
    """Whoever has the old number by now is heard, and is told of no erasure."""
    await harness.send_texts("Start", sender=OLD)
    await hear_of_the_move(harness, at=60)
    await harness.send_texts("Löschen", sender=NEW, start=150)
    late = build_message(text, sender=OLD, seconds=30, name="late")
    await harness.receive(late)
    assert await harness.parts.dead_letters.store(encode_group([late]), "unexpected Error") == Done()
    for table in ("subscriber", "feedback", "dead_letter"):
        assert await harness.fetch_rows(f"select from subscriptions.{table}") == [], table
    neighbour = Addresses(phone=OLD.phone, user=build_user("neighbour").user)
    await harness.send_texts("Daten", "Start", sender=neighbour, start=160)
    assert "Löschung" not in harness.list_reply_texts()[-2]
    assert [state for _, state in await harness.fetch_rows(SUBSCRIBERS)] == ["subscribed"]


async def test_an_erasure_of_whoever_moved_leaves_the_dead_letters_of_whoever_has_the_old_number(
    harness: SubscriptionsHarness,
) -> None:
    neighbour = Addresses(phone=OLD.phone, user=build_user("neighbour").user)
    await harness.send_texts("Start", sender=OLD)
    await hear_of_the_move(harness)
    for sender in (OLD, NEW, neighbour):
        letter = encode_group([build_message("Hallo", sender=sender, seconds=80)])
        assert await harness.parts.dead_letters.store(letter, "unexpected Error") == Done()
    await harness.send_texts("Löschen", sender=NEW, start=90)
    ((senders,),) = await harness.fetch_rows("select senders from subscriptions.dead_letter")
    assert senders == list(list_indexes(neighbour))


@pytest.mark.parametrize("text", ["Stop", "Stop Stellen"])
async def test_a_stop_from_the_old_number_is_told_although_whoever_moved_had_everything_deleted_meanwhile(
    harness: SubscriptionsHarness, text: str
) -> None:
    neighbour = Addresses(phone=OLD.phone, user=build_user("neighbour").user)
    await harness.send_texts("Start", sender=OLD)
    await hear_of_the_move(harness)
    await harness.send_texts("Start", sender=neighbour, start=70)
    stop = build_message(text, sender=neighbour, seconds=85)
    with harness.publisher.failing():
        await harness.receive(stop)
    await harness.send_texts("Löschen", sender=NEW, start=90)
    earlier = len(harness.publisher.list_messages(SubscriptionEnded))
    await harness.receive(stop)
    assert len(harness.publisher.list_messages(SubscriptionEnded)) == earlier + 1
    assert harness.publisher.list_messages(ReplyRequested)[-1].recipient == OLD.phone
