"""Operators' output about broadcasts of notices, on a real database with the operator's role."""

from collections.abc import Mapping
from uuid import UUID

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.dispatch import BroadcastBatch
from tests.databases import FreshDatabase
from tests.integration.cli.planned_broadcasts import HEADLINE, NOBODY, insert_planned, run
from tests.integration.dispatcher.factories import build_batch, build_batch_message, build_record, generate_subscribers


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
