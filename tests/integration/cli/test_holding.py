"""Work that a restore holds or withdraws because no message tells the dispatcher about it."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from cli.backup.holding import hold_everything
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.ports import Claim
from shared.contracts.dispatch import BroadcastBatch
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id
from tests.integration.cli.planned_broadcasts import insert_planned
from tests.integration.dispatcher.factories import (
    accept,
    begin,
    build_batch_message,
    claim,
    follow,
    follow_up,
    states,
)

TOPIC = "strassensperrungen"  # of the batches
CONSENT = """
insert into subscriptions.consent (subscriber_id, sequence, event, topics, said_at, received_at, message_key)
values ($1, $2, $3, $4, now(), now(), '\\x01')
"""


async def hold(owner: asyncpg.Connection) -> None:
    async with owner.transaction():
        await hold_everything(owner, datetime.now(UTC))


@pytest.mark.parametrize(
    ("event", "topics", "state"),
    [
        ("withdrawn", [], "suppressed"),
        ("erased", [], "suppressed"),
        ("changed", ["stellen"], "suppressed"),
        ("changed", [TOPIC], "waiting"),
    ],
)
async def test_a_stop_that_only_subscriptions_had_stored_counts_for_what_follows(
    ledger: PostgresLedger, owner: asyncpg.Connection, event: str, topics: list[str], state: str
) -> None:
    person = generate_id()
    message = build_batch_message([person])
    await accept(ledger, await claim(ledger, message))
    await owner.execute(CONSENT, person, 1, "given", [TOPIC, "stellen"])
    await owner.execute(CONSENT, person, 2, event, topics)
    await hold(owner)
    await begin(ledger, new := follow_up(message.broadcast))
    await follow(ledger)
    assert await states(ledger, new.broadcast) == {state: 1}


async def test_what_was_withdrawn_is_not_sent_even_if_an_operator_resends_it(
    mixed: tuple[BroadcastBatch, list[Claim]], database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    message, _ = mixed
    await insert_planned(database, message.broadcast, state="cancelled", reason="falsch")
    await hold(owner)
    verdict = "select dispatcher.settle_unknown(null, $1, 'resend')"
    assert await owner.fetchval(verdict, message.broadcast) in (0, None)


async def test_a_failure_that_was_perhaps_made_good_since_is_resent_only_with_the_unknown(
    mixed: tuple[BroadcastBatch, list[Claim]], owner: asyncpg.Connection
) -> None:
    message, _ = mixed
    await hold(owner)
    resend = "select failed from dispatcher.resend_missing($1, $2)"
    resent = [await owner.fetchval(resend, message.broadcast, unknown_too) for unknown_too in (False, True)]
    assert resent == [0, 2]


async def test_to_hold_twice_is_to_hold_once(
    mixed: tuple[BroadcastBatch, list[Claim]], owner: asyncpg.Connection
) -> None:
    lost_at, earlier = datetime.now(UTC), datetime.now(UTC) - timedelta(hours=1)
    for saved_at in (lost_at, earlier):
        async with owner.transaction():
            work = await hold_everything(owner, saved_at, lost_at)
    assert work.lost_at == lost_at
    assert await owner.fetchval("select saved_at from dispatcher.restore") == earlier
