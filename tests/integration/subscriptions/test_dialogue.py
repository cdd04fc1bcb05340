"""Choices, pauses, rights and new numbers on a real database."""

import re
from base64 import b64encode
from datetime import timedelta
from functools import partial

import asyncpg

from services.subscriptions.adapters.retention import NO_PUBLICATIONS, build_retention_rules
from services.subscriptions.domain.subscriber import list_indexes
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import (
    FeedbackErased,
    FeedbackReceived,
    SubscriberErased,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.inbound import InboundMessage
from shared.contracts.message import Addresses
from tests.factories.citizens import (
    COUNTY,
    NOON,
    build_both,
    build_message,
    build_move,
    build_phone,
    build_user,
)
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import count_audience

CONSENTS = "select sequence, event, topics from subscriptions.consent order by id"
TOPICS = "select topic from subscriptions.subscription order by topic"
SUBSCRIBERS = "select state, count(*) from subscriptions.subscriber group by state order by state"


async def test_a_choice_is_stored_recorded_and_told(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", "nur Baustellen")
    assert await harness.fetch_rows(TOPICS) == [("baustellen",)]
    dropped = sorted(COUNTY.topic_ids - {"baustellen"})
    assert (await harness.fetch_rows(CONSENTS))[1:] == [(2, "withdrawn", dropped)]
    ended = harness.publisher.list_messages(SubscriptionEnded)
    assert [(each.topic, each.sequence) for each in ended] == [(topic, 2) for topic in dropped]
    (changed,) = harness.publisher.list_messages(SubscriptionChanged)
    assert changed.topics == ("baustellen",)
    assert harness.publisher.published[-1].key == "reply"


async def test_whoever_is_subscribed_and_starts_again_has_not_joined_once_more(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", "nur Baustellen", "Start")
    (started,) = harness.publisher.list_messages(SubscriptionStarted)
    assert started.sequence == 1
    changed = harness.publisher.list_messages(SubscriptionChanged)
    assert [(each.sequence, set(each.topics)) for each in changed] == [(2, {"baustellen"}), (3, COUNTY.topic_ids)]
    assert [(sequence, event) for sequence, event, _ in await harness.fetch_rows(CONSENTS)][2:] == [(3, "given")]


async def test_only_whoever_was_subscribed_has_left(harness: SubscriptionsHarness) -> None:
    """A second Stop, and that of a stranger, end what was decided before, and nobody's subscription."""
    for citizen, texts in enumerate((("Start", "Stop", "Stop"), ("Start", "Löschen", "Löschen"), ("Stop",))):
        await harness.send_texts(*texts, sender=build_both(citizen))
    ended = harness.publisher.list_messages(SubscriptionEnded)
    assert [each.was_subscribed for each in ended] == [True, False, True, False, False]


async def test_who_pauses_or_lives_elsewhere_is_no_audience(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", "Pause 3 Tage", sender=build_both(1))
    await harness.send_texts("Start", "nur Worpswede", sender=build_both(2))
    await harness.send_texts("Start", sender=build_both(3))
    assert await count_audience(harness) == 2
    assert await count_audience(harness, municipalities=["Worpswede"]) == 2
    assert await count_audience(harness, municipalities=["Lilienthal"]) == 1
    assert await count_audience(harness, topic="stellen") == 2
    await harness.send_texts("weiter", sender=build_both(1), start=30)
    assert await count_audience(harness, topic="stellen") == 3


async def test_a_pause_that_is_over_needs_no_word(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", "Pause 1 Tag")
    harness.now = NOON + timedelta(days=3)
    assert await count_audience(harness, expirytime=NOON + timedelta(days=4)) == 1


async def test_a_new_number_takes_consent_and_topics_along(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", "nur Baustellen", sender=build_both(1))
    await harness.receive_moves(build_move(build_both(1), build_both(2)))
    await harness.receive_moves(build_move(build_both(1), build_both(2)))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("subscribed", 1)]
    assert await count_audience(harness, topic="baustellen") == 1
    assert harness.publisher.list_pages()[-1].recipients[0].address == build_both(2).phone
    await harness.send_texts("Stop", sender=build_both(2), start=90)
    assert await harness.fetch_rows(SUBSCRIBERS) == [("unsubscribed", 1)]
    assert (await harness.fetch_rows(CONSENTS))[-2][1] == "moved"


async def test_a_user_id_without_a_number_gives_the_old_number_up(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", sender=build_both(1))
    await harness.receive_moves(build_move(build_user(1), build_user(2)))
    assert await count_audience(harness) == 1
    assert harness.publisher.list_pages()[-1].recipients[0].address == build_user(2).user


async def test_whoever_wrote_from_the_new_number_first_is_one_person(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Start", sender=build_both(1))
    await harness.send_texts("Stop", sender=build_both(2), start=30)
    await harness.receive_moves(build_move(build_both(1), build_both(2)))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("merged", 1), ("unsubscribed", 1)]
    assert await count_audience(harness) == 0


async def test_strangers_move_without_a_trace(harness: SubscriptionsHarness) -> None:
    await harness.receive_moves(build_move(build_both(8), build_both(9)))
    assert await harness.fetch_rows(SUBSCRIBERS) == []


async def test_the_record_holds_everything_in_one_message(harness: SubscriptionsHarness) -> None:
    await harness.send_texts("Feedback: Noch fremd", "Start", "nur Stellen", "Feedback: Schön")
    await harness.send_texts("Start", "Feedback: Von jemand anderem", sender=build_both(7), start=20)
    await harness.send_texts("Daten", start=30)
    record = harness.list_reply_texts()[-1]
    assert "jemand anderem" not in record
    for part in (
        "angemeldet, Themen: Stellen",
        "„Noch fremd“",
        "„Schön“",
        "Einwilligung",
        "Widerruf",
        f"Fassung {COUNTY.wording_version}",
    ):
        assert part in record


async def test_a_record_that_does_not_fit_is_had_part_by_part(harness: SubscriptionsHarness) -> None:
    said = [f"Feedback: {number} " + "Gut! " * 190 for number in range(6)]
    await harness.send_texts("Start", *said)
    await harness.send_texts("Daten", "Daten 2", "Daten 3", start=20)
    first, second, third = harness.list_reply_texts()[-3:]
    assert [re.findall(r"Teil (\d) von (\d)", part) for part in (first, second)] == [[("1", "2")], [("2", "2")]]
    assert third == second, "there is no third part"
    assert max(map(len, (first, second))) <= 4096
    together = first + second
    assert all(f"„{number} Gut! " in together for number in range(6))
    query = "select count(*) from subscriptions.inbox where result = 'shown' and publications <> '\\x90'"
    assert await harness.fetch_rows(query) == [(3,)]


async def everything(harness: SubscriptionsHarness) -> str:
    """Dump the whole schema as text."""
    tables = await harness.fetch_rows("select tablename from pg_tables where schemaname = 'subscriptions' order by 1")
    dump = ""
    for (table,) in tables:
        if table not in ("schema_migrations", "schema_checksums"):
            rows = await harness.fetch_rows(f"select to_jsonb(t)::text from subscriptions.{table} t")  # noqa: S608
            dump += "".join(f"{table} {row[0]}\n" for row in rows)
    return dump


async def test_after_an_erasure_a_dump_holds_nothing_but_the_proof(harness: SubscriptionsHarness) -> None:
    empty = await everything(harness)
    await harness.send_texts("Start", "nur Stellen", "Feedback: Danke", "Hallo", sender=build_both(1))
    await harness.send_texts("Start", sender=build_both(7), start=10)
    others = [line for line in (await everything(harness)).splitlines() if key_hex(7) in line]
    await harness.send_texts("Löschen", sender=build_both(1), start=20)
    dump = await everything(harness)
    assert others
    assert all(line in dump for line in others)
    mine = [line for line in dump.splitlines() if key_hex(1) in line]
    assert {line.split()[0] for line in mine} == {"erasure", "inbox"}
    assert not contains_encrypted_address(1, dump)
    assert "Danke" not in dump
    (received,) = harness.publisher.list_messages(FeedbackReceived)
    (feedback_erased,) = harness.publisher.list_messages(FeedbackErased)
    assert feedback_erased.feedback == (received.feedback,)
    (erased,) = harness.publisher.list_messages(SubscriberErased)
    assert set(erased.addresses) == {build_both(1).phone, build_both(1).user}
    events = await harness.fetch_rows(
        "select event from subscriptions.consent where subscriber_id = $1 order by id", erased.subscribers[0]
    )
    assert [row[0] for row in events] == ["given", "withdrawn", "erased"]
    assert empty == ""


async def test_a_second_erasure_leaves_the_first_one_what_it_has_not_published_yet(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """Its replica hangs, longer than answers are kept, and the citizen asks again."""
    start, first, second = (
        build_message("Start"),
        build_message("Löschen", seconds=5),
        build_message("Löschen", seconds=9),
    )
    await harness.receive(start)
    ((subscriber,),) = await harness.fetch_rows("select id from subscriptions.subscriber")
    with harness.publisher.failing():
        await harness.receive(first)
    assert contains_encrypted_address(1, await everything(harness))
    await other.receive(second)
    await owner.execute("update subscriptions.inbox set handled_at = handled_at - interval '2 days'")
    await harness.metrics.retention.run(harness.database, build_retention_rules(COUNTY))
    await other.receive(first)
    assert [each.sequence for each in other.publisher.list_messages(SubscriptionEnded) if each.subscriber == subscriber]
    assert subscriber in [each for one in other.publisher.list_messages(SubscriberErased) for each in one.subscribers]
    assert len(other.publisher.list_messages(ReplyRequested)) == 2
    assert not contains_encrypted_address(1, await everything(harness))


async def test_an_answer_that_is_confirmed_after_an_erasure_is_not_written_back(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    """Another replica erases what the first one is about to trim."""
    said = build_message("Feedback: Danke", seconds=5)
    with harness.publisher.failing("reply", arrives=True):
        await harness.receive(said)
    await other.receive(build_message("Löschen", seconds=9))
    await harness.parts.inbound.subscribers.trim_stored_replies(said.message_key, (harness.publisher.published[-1],))
    assert await harness.fetch_rows("select distinct publications from subscriptions.inbox") == [(NO_PUBLICATIONS,)]


async def test_an_erasure_that_is_published_is_not_stored_for_another_time(harness: SubscriptionsHarness) -> None:
    with harness.publisher.failing("reply", arrives=True):
        await harness.receive(build_message("Löschen"))
    await harness.receive(build_message("Löschen"))
    published = len(harness.publisher.published)
    await harness.receive(build_message("Löschen"))
    assert len(harness.publisher.published) == published
    assert not contains_encrypted_address(1, await everything(harness))


async def test_an_erasure_reaches_what_was_answered_at_former_addresses(harness: SubscriptionsHarness) -> None:
    """Somebody moves twice; whoever has the first number now stays subscribed."""
    await harness.send_texts("Feedback: Noch fremd", "Start", "Hallo", sender=build_both(1))
    await harness.receive_moves(
        build_move(build_both(1), build_both(2)), build_move(build_both(2), build_both(3), seconds=120)
    )
    neighbour = Addresses(phone=build_both(1).phone, user=build_both(9).user)
    await harness.send_texts("Start", sender=neighbour, start=200)
    await harness.send_texts("Daten", sender=build_both(3), start=300)
    assert "„Noch fremd“" in harness.list_reply_texts()[-1]
    await harness.send_texts("Löschen", sender=build_both(3), start=310)
    dump = (await everything(harness)).splitlines()
    for citizen in (1, 2):
        mine = [line for line in dump if key_hex(citizen) in line]
        assert {line.split()[0] for line in mine if key_hex(9) not in line} <= {"inbox", "subscriber"}
        assert not contains_encrypted_address(citizen, "".join(line for line in mine if line.startswith("inbox")))
    assert "Noch fremd" not in "".join(dump)
    assert await harness.fetch_rows("select state from subscriptions.subscriber") == [("subscribed",)]
    (erased,) = harness.publisher.list_messages(SubscriberErased)
    indexes_told = {address.index for address in erased.addresses}
    assert indexes_told == {index for citizen in (1, 2, 3) for index in list_indexes(build_both(citizen))}


def key_hex(citizen: object) -> str:
    address = build_both(citizen).phone
    assert address is not None
    return address.index.hex()


def contains_encrypted_address(citizen: object, dump: str) -> bool:
    """Return whether an address is in a column or, in Base64, in an event that waits to be published."""
    address = build_both(citizen).phone
    assert address is not None
    return any(form.hex() in dump for form in (address.sealed, b64encode(address.sealed)))


async def test_only_a_user_id_is_enough(harness: SubscriptionsHarness) -> None:
    only: partial[InboundMessage] = partial(build_message, sender=build_user(5))
    await harness.receive(only("Start"), only("nur Stellen", seconds=1))
    assert await count_audience(harness, topic="stellen") == 1
    assert harness.publisher.list_pages()[-1].recipients[0].address == build_user(5).user
    await harness.receive(build_message("Stop", sender=build_both(5), seconds=2))
    assert await count_audience(harness, topic="stellen") == 0
    await harness.receive(build_message("Hallo", sender=build_phone(5), seconds=3))
    assert await harness.fetch_rows(SUBSCRIBERS) == [("unsubscribed", 1)]
