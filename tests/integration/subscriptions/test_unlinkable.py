"""The tables alone do not tell who wrote a feedback, and which consents an erased address had."""

import hashlib

from services.subscriptions.domain.feedback import truncate_to_hour
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import FeedbackReceived
from shared.contracts.ids import derive_id, make_timed_id
from tests.factories.citizens import build_both, build_message, build_phone, build_time, build_user
from tests.integration.subscriptions.harness import KEYS, SubscriptionsHarness

MOMENTS = """
    select said_at from subscriptions.consent union select received_at from subscriptions.consent
    union select recorded_at from subscriptions.consent
"""


async def test_feedback_leads_to_nobody_without_the_key(harness: SubscriptionsHarness) -> None:
    start, said = build_message("Start"), build_message("Feedback: Weiter so", seconds=10)
    await harness.receive(start, said)
    ((identifier, author),) = await harness.fetch_rows("select id, author from subscriptions.feedback")
    ((person,),) = await harness.fetch_rows("select id from subscriptions.subscriber")
    known = [
        person.bytes,  # type: ignore[attr-defined]
        said.message_key,
        *(each.index for each in (build_both(1).phone, build_both(1).user) if each),
    ]
    assert author not in [hashlib.sha256(b"feedback\0" + each).digest()[:16] for each in known]
    assert identifier not in [make_timed_id(truncate_to_hour(said.received_at), b"feedback", each) for each in known]
    assert author == KEYS.author.derive_author(person.bytes)  # type: ignore[attr-defined]
    (told,) = harness.publisher.list_messages(FeedbackReceived)
    assert told.feedback == identifier


async def test_a_rating_leads_to_nobody_without_the_key(harness: SubscriptionsHarness) -> None:
    broadcast = make_timed_id(build_time(0))
    await harness.fetch_rows("insert into subscriptions.notice values ('/x', 'n') returning 1")
    await harness.fetch_rows(
        "insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template,"
        " published_at, expires_at) values ($1, '/x', 'n', 1, '', 'stellen', 'bulk', '{}', now(), now()) returning 1",
        broadcast,
    )
    rating = build_message("Hilfreich", kind="button", payload=f"rating:good:{broadcast}", seconds=10)
    await harness.receive(build_message("Start"), rating)
    ((identifier,),) = await harness.fetch_rows("select id from subscriptions.feedback")
    ((person,),) = await harness.fetch_rows("select id from subscriptions.subscriber")
    unkeyed = hashlib.sha256(b"feedback\0" + person.bytes).digest()[:16]  # type: ignore[attr-defined]
    assert identifier not in [derive_id(broadcast, b"rating", each) for each in (person.bytes, unkeyed)]  # type: ignore[attr-defined]


async def test_an_erased_address_is_known_by_the_day_only(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"), build_message("Löschen", seconds=60))
    rows = await harness.fetch_rows("select to_jsonb(e) - 'address_index' from subscriptions.erasure e")
    assert rows == [('{"erased_on": "2026-11-20"}',)] * 2
    moments = {moment for (moment,) in await harness.fetch_rows(MOMENTS)}
    assert len(moments) > 2
    days = await harness.fetch_rows("select erased_on::timestamptz from subscriptions.erasure")
    assert not moments & {day for (day,) in days}


async def test_what_was_said_before_an_erasure_of_the_same_day_changes_nothing(harness: SubscriptionsHarness) -> None:
    """Whichever address it comes from, and although the address that the erasure came from is another one."""
    await harness.receive(build_message("Start"))
    await harness.receive(build_message("Löschen", sender=build_phone(1), seconds=60))
    await harness.receive(build_message("Start", sender=build_user(1), seconds=30, name="late"))
    assert await harness.fetch_rows("select id from subscriptions.subscriber") == []
    await harness.receive(build_message("Start", seconds=90, name="again"))
    assert await harness.fetch_rows("select state from subscriptions.subscriber") == [("subscribed",)]


async def test_what_was_said_before_a_stop_that_overtook_the_erasure_changes_nothing(
    harness: SubscriptionsHarness,
) -> None:
    await harness.receive(build_message("Stop", seconds=30))
    await harness.receive(build_message("Löschen", seconds=20))
    await harness.receive(build_message("Start", seconds=25))
    assert await harness.fetch_rows("select id from subscriptions.subscriber") == []
    await harness.receive(build_message("Start", seconds=40))
    assert await harness.fetch_rows("select state from subscriptions.subscriber") == [("subscribed",)]


async def test_the_answer_about_stored_data_names_the_day_of_an_erasure(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"), build_message("Löschen", seconds=60))
    await harness.receive(build_message("Daten", seconds=120))
    assert "Frühere Löschung: 20.11.2026\n" in harness.publisher.list_messages(ReplyRequested)[-1].text


async def test_after_the_inbox_is_purged_the_day_holds(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"), build_message("Löschen", seconds=60))
    await harness.fetch_rows("delete from subscriptions.inbox returning 1")
    await harness.receive(build_message("Start", seconds=-86_400, name="of the day before"))
    assert await harness.fetch_rows("select id from subscriptions.subscriber") == []
