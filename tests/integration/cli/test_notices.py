"""What operators and editors read about notices, on a real database with the operator's role."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.ports import Claim
from shared.contracts.dispatch import BroadcastBatch
from tests.databases import FreshDatabase
from tests.integration.cli.planned_broadcasts import HEADLINE, NOBODY, insert_planned, run
from tests.integration.dispatcher.factories import build_batch, build_batch_message, build_record, generate_subscribers
from tests.integration.subscriptions.audience import run_as_owner

SECRET = "Das liest nur, wer darf."


@pytest.fixture
def environment(database: FreshDatabase) -> Mapping[str, str]:
    return {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_operator")}


async def sent_to_all(ledger: PostgresLedger) -> UUID:
    """A broadcast that both of its recipients have got."""
    message = build_batch_message(generate_subscribers(2))
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    await ledger.record([build_record(claim, DeliveryState.ACCEPTED) for claim in await ledger.claim_batch(batch, 2)])
    return message.broadcast


async def test_broadcasts_are_listed_by_their_headlines(
    ledger: PostgresLedger, database: FreshDatabase, environment: Mapping[str, str]
) -> None:
    sent, coming = await sent_to_all(ledger), UUID(NOBODY)
    for broadcast, state in ((sent, "expanded"), (coming, "scheduled")):
        await insert_planned(database, broadcast, state=state)
    listed = (await run(environment, "broadcasts", "list")).output.splitlines()[1:]
    assert [line.endswith("L 149: Vollsperrung zwischen Worpswede …") for line in listed] == [True, True]
    for broadcast in (sent, coming):
        assert HEADLINE in (await run(environment, "broadcasts", "show", broadcast)).output


async def test_a_revision_that_all_got_is_replaced_and_another_one_cancelled(
    mixed: tuple[BroadcastBatch, list[Claim]], ledger: PostgresLedger, environment: Mapping[str, str]
) -> None:
    sent, unfinished = await sent_to_all(ledger), mixed[0].broadcast
    for broadcast in (sent, unfinished):
        await ledger.cancel(broadcast, "superseded")
    listed = (await run(environment, "broadcasts", "list", "--json")).json["broadcasts"]
    assert {one["broadcast"]: one["standing"] for one in listed} == {
        str(sent): "replaced",
        str(unfinished): "cancelled",
    }


async def test_editors_read_in_german_what_became_of_a_notice(
    mixed: tuple[BroadcastBatch, list[Claim]], database: FreshDatabase, environment: Mapping[str, str]
) -> None:
    await insert_planned(database, mixed[0].broadcast, state="expanded")
    said = "insert into subscriptions.feedback (id, kind, value, said, broadcast_id, at) values (gen_random_uuid(), "
    for kind, value, words in (
        ("rating", "good", ""),
        ("rating", "good", ""),
        ("rating", "bad", ""),
        ("text", "", SECRET),
    ):
        await run_as_owner(database, f"{said} $1, $2, $3, $4, now())", kind, value, words, mixed[0].broadcast)
    shown = (await run(environment, "notices", "show", "n1")).output
    told = [tuple(line.strip().split("  ", 1)) for line in shown.splitlines()]
    assert {(name, rest.strip()) for name, rest in told} >= {
        ("Meldung", "n1, Fassung 1"),
        ("Überschrift", HEADLINE),
        ("Thema", "strassensperrungen"),
        ("Stand", "wird versandt"),
        ("Empfänger", "10"),
        ("zugestellt", "2"),
        ("fehlgeschlagen", "2"),
        ("1-mal", "nicht zustellbar: kein WhatsApp, oder eine alte Fassung"),
        ("Bewertungen", "2-mal hilfreich, 1-mal nicht hilfreich"),
        ("Antworten", "1"),
    }
    opinions = await run(environment, "notices", "feedback", "n1")
    assert opinions.status == 0
    assert opinions.output.splitlines()[1].split(maxsplit=2) == ["1", "1", "2-mal hilfreich, 1-mal nicht hilfreich"]
    (counted,) = (await run(environment, "notices", "feedback", "n1", "--json")).json["feedback"]
    assert counted == {"revision": 1, "ratings": {"good": 2, "bad": 1}, "answers": 1}
    assert SECRET not in opinions.everything
    listed = (await run(environment, "notices", "list")).output.splitlines()
    assert listed[0].split() == ["Beginn", "Kennung", "Fassung", "Thema", "Stand", "zugestellt", "von", "Überschrift"]
    assert "L 149: Vollsperrung" in listed[1]


async def test_a_notice_that_nobody_knows_is_told_in_german(
    ledger: PostgresLedger, environment: Mapping[str, str]
) -> None:
    assert (await run(environment, "notices", "list")).output == "Noch keine Meldungen.\n"
    for command in ("show", "feedback"):
        ended = await run(environment, "notices", command, "n9")
        assert (ended.status, "nicht bekannt" in ended.errors) == (3, True)
