"""What the tables alone do not tell: who wrote a feedback, and which consents an erased address had."""

import hashlib

from services.subscriptions.domain.feedback import hour
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import FeedbackReceived
from shared.contracts.ids import derived_id, timed_id
from tests.integration.subscriptions.stand import KEYS, Stand
from tests.unit.subscriptions.material import at, both, message, phone, user

MOMENTS = """
    select said_at from subscriptions.consent union select received_at from subscriptions.consent
    union select recorded_at from subscriptions.consent
"""


async def test_feedback_leads_to_nobody_without_the_key(stand: Stand) -> None:
    start, said = message("Start"), message("Feedback: Weiter so", seconds=10)
    await stand.receive(start, said)
    ((identifier, author),) = await stand.rows("select id, author from subscriptions.feedback")
    ((person,),) = await stand.rows("select id from subscriptions.subscriber")
    known = [person.bytes, said.message_key, *(each.index for each in (both(1).phone, both(1).user) if each)]  # type: ignore[attr-defined]
    assert author not in [hashlib.sha256(b"feedback\0" + each).digest()[:16] for each in known]
    assert identifier not in [timed_id(hour(said.received_at), b"feedback", each) for each in known]
    assert author == KEYS.author.author(person.bytes)  # type: ignore[attr-defined]
    (told,) = stand.outlet.messages(FeedbackReceived)
    assert told.feedback == identifier


async def test_a_rating_leads_to_nobody_without_the_key(stand: Stand) -> None:
    broadcast = timed_id(at(0))
    await stand.rows("insert into subscriptions.notice values ('/x', 'n') returning 1")
    await stand.rows(
        "insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template,"
        " published_at, expires_at) values ($1, '/x', 'n', 1, '', 'stellen', 'bulk', '{}', now(), now()) returning 1",
        broadcast,
    )
    rating = message("Hilfreich", kind="button", payload=f"rating:good:{broadcast}", seconds=10)
    await stand.receive(message("Start"), rating)
    ((identifier,),) = await stand.rows("select id from subscriptions.feedback")
    ((person,),) = await stand.rows("select id from subscriptions.subscriber")
    unkeyed = hashlib.sha256(b"feedback\0" + person.bytes).digest()[:16]  # type: ignore[attr-defined]
    assert identifier not in [derived_id(broadcast, b"rating", each) for each in (person.bytes, unkeyed)]  # type: ignore[attr-defined]


async def test_an_erased_address_is_known_by_the_day_only(stand: Stand) -> None:
    await stand.receive(message("Start"), message("Löschen", seconds=60))
    rows = await stand.rows("select to_jsonb(e) - 'address_index' from subscriptions.erasure e")
    assert rows == [('{"erased_on": "2026-11-20"}',)] * 2
    moments = {moment for (moment,) in await stand.rows(MOMENTS)}
    assert len(moments) > 2
    days = await stand.rows("select erased_on::timestamptz from subscriptions.erasure")
    assert not moments & {day for (day,) in days}


async def test_what_was_said_before_an_erasure_of_the_same_day_changes_nothing(stand: Stand) -> None:
    """Whichever address it comes from, and although the address that the erasure came from is another one."""
    await stand.receive(message("Start"))
    await stand.receive(message("Löschen", sender=phone(1), seconds=60))
    await stand.receive(message("Start", sender=user(1), seconds=30, name="late"))
    assert await stand.rows("select id from subscriptions.subscriber") == []
    await stand.receive(message("Start", seconds=90, name="again"))
    assert await stand.rows("select state from subscriptions.subscriber") == [("subscribed",)]


async def test_the_answer_about_stored_data_names_the_day_of_an_erasure(stand: Stand) -> None:
    await stand.receive(message("Start"), message("Löschen", seconds=60))
    await stand.receive(message("Daten", seconds=120))
    assert "Frühere Löschung: 20.11.2026\n" in stand.outlet.messages(ReplyRequested)[-1].text


async def test_after_the_inbox_has_forgotten_the_day_holds(stand: Stand) -> None:
    await stand.receive(message("Start"), message("Löschen", seconds=60))
    await stand.rows("delete from subscriptions.inbox returning 1")
    await stand.receive(message("Start", seconds=-86_400, name="of the day before"))
    assert await stand.rows("select id from subscriptions.subscriber") == []
