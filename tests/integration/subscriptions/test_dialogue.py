"""Choices, pauses, rights and new numbers on a real database."""

import asyncio
import re
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.adapters.retention import rules
from services.subscriptions.domain.subscriber import indexes
from services.subscriptions.wiring import retention
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import encode
from shared.contracts.events import (
    FeedbackReceived,
    ReactionLocated,
    ReactionReceived,
    SubscriberErased,
    SubscriptionChanged,
    SubscriptionEnded,
)
from shared.contracts.inbound import IdentityChange, IdentityChanges, InboundMessage
from shared.contracts.message import Addresses
from shared.outcome import Done
from tests.databases import Database
from tests.integration.subscriptions.audience import as_owner
from tests.integration.subscriptions.press import publish
from tests.integration.subscriptions.stand import Stand
from tests.unit.subscriptions.material import COUNTY, NOON, TEXTS, at, both, key, message, phone, user

CONSENTS = "select sequence, event, topics from subscriptions.consent order by id"
TOPICS = "select topic from subscriptions.subscription order by topic"
PEOPLE = "select state, count(*) from subscriptions.subscriber group by state order by state"


def replies(stand: Stand) -> list[str]:
    return [reply.text for reply in stand.outlet.messages(ReplyRequested)]


async def says(stand: Stand, *texts: str, sender: Addresses | None = None, start: float = 0) -> None:
    for number, text in enumerate(texts):
        await stand.receive(message(text, sender=sender, seconds=start + number))


async def audience(stand: Stand, **notice: Any) -> int:
    """How many get a notice that is published now."""
    before = len(stand.outlet.pages())
    await publish(stand, event_id=f"e{before}", **{"notice": f"n{before}", **notice})
    while await stand.parts.expander.turn():
        pass
    return sum(len(page.recipients) for page in stand.outlet.pages()[before:])


def change(before: Addresses, after: Addresses, *, seconds: float = 60) -> IdentityChange:
    return IdentityChange(
        message_key=key("system", before, after), before=before, after=after, at=at(seconds), received_at=at(seconds)
    )


async def moves(stand: Stand, *changes: IdentityChange) -> None:
    body = encode(IdentityChanges(changes=changes), event_id="i", source="/kreisfunk/ingress", time=NOON)
    assert await stand.parts.inbound.handle(body) == Done()


async def test_a_choice_is_stored_recorded_and_told(stand: Stand) -> None:
    await says(stand, "Start", "nur Baustellen")
    assert await stand.rows(TOPICS) == [("baustellen",)]
    dropped = sorted(COUNTY.topic_ids - {"baustellen"})
    assert (await stand.rows(CONSENTS))[1:] == [(2, "withdrawn", dropped)]
    ended = stand.outlet.messages(SubscriptionEnded)
    assert [(each.topic, each.sequence) for each in ended] == [(topic, 2) for topic in dropped]
    (changed,) = stand.outlet.messages(SubscriptionChanged)
    assert changed.topics == ("baustellen",)
    assert stand.outlet.published[-1].key == "reply"


async def test_who_pauses_or_lives_elsewhere_is_no_audience(stand: Stand) -> None:
    await says(stand, "Start", "Pause 3 Tage", sender=both(1))
    await says(stand, "Start", "nur Worpswede", sender=both(2))
    await says(stand, "Start", sender=both(3))
    assert await audience(stand) == 2
    assert await audience(stand, municipalities=["Worpswede"]) == 2
    assert await audience(stand, municipalities=["Lilienthal"]) == 1
    assert await audience(stand, topic="stellen") == 2
    await says(stand, "weiter", sender=both(1), start=30)
    assert await audience(stand, topic="stellen") == 3


async def test_a_pause_that_is_over_needs_no_word(stand: Stand) -> None:
    await says(stand, "Start", "Pause 1 Tag")
    stand.now = NOON + timedelta(days=3)
    assert await audience(stand, expirytime=NOON + timedelta(days=4)) == 1


async def test_a_new_number_takes_consent_and_topics_along(stand: Stand) -> None:
    await says(stand, "Start", "nur Baustellen", sender=both(1))
    await moves(stand, change(both(1), both(2)))
    await moves(stand, change(both(1), both(2)))
    assert await stand.rows(PEOPLE) == [("subscribed", 1)]
    assert await audience(stand, topic="baustellen") == 1
    assert stand.outlet.pages()[-1].recipients[0].address == both(2).phone
    await says(stand, "Stop", sender=both(2), start=90)
    assert await stand.rows(PEOPLE) == [("unsubscribed", 1)]
    assert (await stand.rows(CONSENTS))[-2][1] == "moved"


async def test_a_user_id_without_a_number_gives_the_old_number_up(stand: Stand) -> None:
    await says(stand, "Start", sender=both(1))
    await moves(stand, change(user(1), user(2)))
    assert await audience(stand) == 1
    assert stand.outlet.pages()[-1].recipients[0].address == user(2).user


async def test_whoever_wrote_from_the_new_number_first_is_one_person(stand: Stand) -> None:
    await says(stand, "Start", sender=both(1))
    await says(stand, "Stop", sender=both(2), start=30)
    await moves(stand, change(both(1), both(2)))
    assert await stand.rows(PEOPLE) == [("merged", 1), ("unsubscribed", 1)]
    assert await audience(stand) == 0


async def test_strangers_move_without_a_trace(stand: Stand) -> None:
    await moves(stand, change(both(8), both(9)))
    assert await stand.rows(PEOPLE) == []


async def test_two_starts_and_a_stop_at_once_on_two_replicas(stand: Stand, other: Stand) -> None:
    said = [message("Start", seconds=1), message("Start", seconds=1, name="again"), message("Stop", seconds=2)]
    await asyncio.gather(*(replica.receive(each) for each in [*said, *reversed(said)] for replica in (stand, other)))
    assert await stand.rows(PEOPLE) == [("unsubscribed", 1)]
    chain = await stand.rows("select sequence, event from subscriptions.consent order by sequence")
    assert [row[0] for row in chain] == list(range(1, len(chain) + 1))
    assert chain[-1][1] == "withdrawn"
    replied = {
        reply.reply for reply in (*stand.outlet.messages(ReplyRequested), *other.outlet.messages(ReplyRequested))
    }
    assert len(replied) == len(chain)


async def test_the_record_holds_everything_in_one_message(stand: Stand) -> None:
    await says(stand, "Feedback: Noch fremd", "Start", "nur Stellen", "Feedback: Schön")
    await says(stand, "Start", "Feedback: Von jemand anderem", sender=both(7), start=20)
    await says(stand, "Daten", start=30)
    record = replies(stand)[-1]
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


async def test_a_record_that_does_not_fit_is_had_part_by_part(stand: Stand) -> None:
    said = [f"Feedback: {number} " + "Gut! " * 190 for number in range(6)]
    await says(stand, "Start", *said)
    await says(stand, "Daten", "Daten 2", "Daten 3", start=20)
    first, second, third = replies(stand)[-3:]
    assert [re.findall(r"Teil (\d) von (\d)", part) for part in (first, second)] == [[("1", "2")], [("2", "2")]]
    assert third == second, "there is no third part"
    assert max(map(len, (first, second))) <= 4096
    together = first + second
    assert all(f"„{number} Gut! " in together for number in range(6))
    kept = "select count(*) from subscriptions.inbox where result = 'shown' and publications <> '\\x90'"
    assert await stand.rows(kept) == [(3,)]


async def everything(stand: Stand, database: Database) -> str:
    """All that the schema holds, as text."""
    tables = await stand.rows("select tablename from pg_tables where schemaname = 'subscriptions' order by 1")
    dump = ""
    for (table,) in tables:
        if table not in ("schema_migrations", "schema_checksums"):
            rows = await stand.rows(f"select to_jsonb(t)::text from subscriptions.{table} t")  # noqa: S608
            dump += "".join(f"{table} {row[0]}\n" for row in rows)
    return dump


async def test_after_an_erasure_a_dump_holds_nothing_but_the_proof(stand: Stand, database: Database) -> None:
    empty = await everything(stand, database)
    await says(stand, "Start", "nur Stellen", "Feedback: Danke", "Hallo", sender=both(1))
    await says(stand, "Start", sender=both(7), start=10)
    others = [line for line in (await everything(stand, database)).splitlines() if key_hex(7) in line]
    await says(stand, "Löschen", sender=both(1), start=20)
    dump = await everything(stand, database)
    assert others
    assert all(line in dump for line in others)
    mine = [line for line in dump.splitlines() if key_hex(1) in line]
    assert {line.split()[0] for line in mine} == {"erasure", "inbox"}
    assert sealed_hex(1) not in "".join(line for line in mine if '"result": "erased"' not in line)
    assert "Danke" not in dump
    (erased,) = stand.outlet.messages(SubscriberErased)
    assert set(erased.addresses) == {both(1).phone, both(1).user}
    events = await stand.rows(
        "select event from subscriptions.consent where subscriber_id = $1 order by id", erased.subscribers[0]
    )
    assert [row[0] for row in events] == ["given", "withdrawn", "erased"]
    assert empty == ""


async def test_an_erasure_reaches_what_was_answered_at_former_addresses(stand: Stand, database: Database) -> None:
    """Somebody moves twice; whoever has the first number now stays subscribed."""
    await says(stand, "Feedback: Noch fremd", "Start", "Hallo", sender=both(1))
    await moves(stand, change(both(1), both(2)), change(both(2), both(3), seconds=120))
    neighbour = Addresses(phone=both(1).phone, user=both(9).user)
    await says(stand, "Start", sender=neighbour, start=200)
    await says(stand, "Daten", sender=both(3), start=300)
    assert "„Noch fremd“" in replies(stand)[-1]
    await says(stand, "Löschen", sender=both(3), start=310)
    dump = (await everything(stand, database)).splitlines()
    for citizen in (1, 2):
        mine = [line for line in dump if key_hex(citizen) in line]
        assert {line.split()[0] for line in mine if key_hex(9) not in line} <= {"inbox", "subscriber"}
        assert not [line for line in mine if line.startswith("inbox") and sealed_hex(citizen) in line]
    assert "Noch fremd" not in "".join(dump)
    assert await stand.rows("select state from subscriptions.subscriber") == [("subscribed",)]
    (erased,) = stand.outlet.messages(SubscriberErased)
    indexes_told = {address.index for address in erased.addresses}
    assert indexes_told == {index for citizen in (1, 2, 3) for index in indexes(both(citizen))}


def key_hex(citizen: object) -> str:
    address = both(citizen).phone
    assert address is not None
    return address.index.hex()


def sealed_hex(citizen: object) -> str:
    address = both(citizen).phone
    assert address is not None
    return address.sealed.hex()


async def test_whoever_was_erased_comes_back_by_their_own_new_start_only(stand: Stand) -> None:
    first = message("Start", seconds=1)
    await stand.receive(first, message("Löschen", seconds=5))
    await stand.receive(first, msgspec.structs.replace(first, message_key=key("late")))
    assert await stand.rows(PEOPLE) == []
    await stand.receive(message("Start", seconds=9))
    assert await stand.rows(PEOPLE) == [("subscribed", 1)]


async def test_retention_forgets_what_it_says_and_counts_it(stand: Stand, database: Database) -> None:
    await says(stand, "Start", "Hallo", "Löschen", sender=both(1))
    await says(stand, "Start", "Feedback: Gut", "Stop", sender=both(2))
    await says(stand, "Start", sender=both(3))
    await publish(stand)
    registry = CollectorRegistry()
    keeper = retention(stand.database, COUNTY, Metrics(registry))
    await keeper.run()
    assert len(await stand.rows("select * from subscriptions.consent")) == 5
    for table, column in (
        ("inbox", "handled_at"), ("conversation", "counted_at"), ("feedback", "at"), ("erasure", "erased_on"),
        ("consent", "recorded_at"), ("notice_event", "handled_at"),
    ):  # fmt: skip
        await as_owner(database, f"update subscriptions.{table} set {column} = {column} - interval '4 years'")  # noqa: S608
    await as_owner(
        database,
        "update subscriptions.subscriber set started_at = started_at - interval '4 years',"
        " ended_at = ended_at - interval '4 years', created_at = created_at - interval '4 years'",
    )
    await keeper.run()
    for table in ("inbox", "conversation", "feedback", "erasure", "notice_event"):
        assert await stand.rows(f"select * from subscriptions.{table}") == []  # noqa: S608
    assert await stand.rows(PEOPLE) == [("subscribed", 1)]
    assert len(await stand.rows("select * from subscriptions.consent")) == 1
    for kind in rules(COUNTY):
        assert kind in ("personal_answer", "dead_letter") or registry.get_sample_value(
            "kreisfunk_subscriptions_forgotten_rows_total", {"kind": kind}
        )


async def rate(stand: Stand, value: str, sender: Addresses, seconds: float) -> None:
    (broadcast,) = {page.broadcast for page in stand.outlet.pages()}
    payload = f"rating:{value}:{broadcast}"
    await stand.receive(message("Hilfreich", kind="button", payload=payload, sender=sender, seconds=seconds))


async def test_feedback_is_kept_by_topic_and_broadcast_without_a_number(stand: Stand) -> None:
    await says(stand, "Start", sender=both(1))
    await audience(stand)
    await rate(stand, "good", both(1), 10)
    await rate(stand, "bad", both(1), 20)
    await says(stand, "Feedback: Weiter so", sender=both(1), start=30)
    kept = await stand.rows(
        "select kind, value, said, topic, extract(minute from at) from subscriptions.feedback order by kind"
    )
    assert [row[:4] for row in kept] == [("rating", "bad", "", "strassensperrungen"), ("text", "", "Weiter so", None)]
    told = stand.outlet.messages(FeedbackReceived)
    assert [(each.kind, each.value, each.topic) for each in told] == [
        ("rating", "good", "strassensperrungen"),
        ("rating", "bad", "strassensperrungen"),
        ("text", "", None),
    ]
    assert replies(stand)[-1] == TEXTS.feedback_thanks.text
    assert await stand.rows(
        "select count(*) from subscriptions.inbox where publications::text like '%'"
        " || encode('Weiter so', 'hex') || '%'"
    ) == [(0,)], "the words are in the feedback only"


async def test_a_reaction_is_located_counted_and_taken_back(stand: Stand) -> None:
    await says(stand, "Start", sender=both(1))
    await audience(stand)
    reaction = message("👍", kind="reaction", sender=both(1), seconds=10)
    await stand.receive(msgspec.structs.replace(reaction, about_key=b"k"))
    (asked,) = stand.outlet.messages(ReactionReceived)
    assert (asked.about_key, len(asked.broadcasts), asked.value) == (b"k", 1, "👍")
    for value, kept in (("👍", [("reaction", "👍")]), ("", [])):
        located = ReactionLocated(
            reaction=asked.reaction,
            subscriber=asked.subscriber,
            broadcast=asked.broadcasts[0],
            value=value,
            at=asked.at,
        )
        body = encode(located, event_id="r", source="/kreisfunk/dispatcher", time=NOON)
        assert await stand.parts.reactions.handle(body) == Done()
        assert await stand.rows("select kind, value from subscriptions.feedback") == kept
    assert len(replies(stand)) == 1


async def test_only_a_user_id_is_enough(stand: Stand) -> None:
    only: partial[InboundMessage] = partial(message, sender=user(5))
    await stand.receive(only("Start"), only("nur Stellen", seconds=1))
    assert await audience(stand, topic="stellen") == 1
    assert stand.outlet.pages()[-1].recipients[0].address == user(5).user
    await stand.receive(message("Stop", sender=both(5), seconds=2))
    assert await audience(stand, topic="stellen") == 0
    await stand.receive(message("Hallo", sender=phone(5), seconds=3))
    assert await stand.rows(PEOPLE) == [("unsubscribed", 1)]
