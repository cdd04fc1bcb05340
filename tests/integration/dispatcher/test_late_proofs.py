"""A status proves that somebody got a broadcast after all: what follows it goes there, too."""

import asyncio
from dataclasses import replace

import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.integration.dispatcher.factories import (
    build_batch_message,
    build_record,
    generate_subscribers,
    news,
    wait_until_locked,
)
from tests.integration.dispatcher.test_follow_ups import accept, audience, begin, deliver_next_pass, follow, follow_up
from tests.integration.dispatcher.test_ledger import claim, counted, states

_PROVE = """
with changed as (update dispatcher.delivery set state = 'delivered' where id = $1 returning true)
select dispatcher.reopen_follow_ups(array[$2::uuid]) from changed
"""


async def test_a_follow_up_that_begins_while_the_proof_is_recorded_waits_for_it(
    ledger: PostgresLedger, pool: Pool
) -> None:
    """What it follows is over, so it reads the recipients once only."""
    message = build_batch_message(generate_subscribers(2))
    got, given_up = await claim(ledger, message)
    await accept(ledger, [got])
    await ledger.record([build_record(given_up, DeliveryState.FAILED)])
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_PROVE, given_up.delivery, message.broadcast)
        beginning = asyncio.create_task(begin(ledger, follow_up(message.broadcast)))
        await wait_until_locked(pool)
    follower = await beginning
    await follow(ledger)
    assert sum((await states(pool, follower.broadcast)).values()) == 2


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.EXPIRED])
async def test_who_turns_out_to_have_got_the_earlier_one_gets_all_that_follows_it(
    ledger: PostgresLedger, pool: Pool, state: DeliveryState
) -> None:
    """Given up by hand or by its expiry, but delivered; at that moment a message of the follow-up is to be repeated."""
    message = build_batch_message(generate_subscribers(2))
    got, given_up = await claim(ledger, message)
    await accept(ledger, [got])
    await ledger.record([build_record(given_up, state)])
    first = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    (followed,) = await ledger.claim_due(Lane.URGENT, 10)
    await accept(ledger, [followed])
    second = await begin(ledger, follow_up(first.broadcast))
    await deliver_next_pass(ledger, pool)
    for progress in await ledger.collect_progress(60):
        await ledger.finish(progress.broadcast)
    again = replace(news(followed.delivery, DeliveryState.FAILED), attempts=2, delays=[0.0], waits_for="again")
    await ledger.apply_statuses([news(given_up.delivery, DeliveryState.DELIVERED), again])
    for _ in range(4):
        await deliver_next_pass(ledger, pool)
    for follower in (first, second):
        assert await states(pool, follower.broadcast) == await counted(pool, follower.broadcast) == {"accepted": 2}
        assert await audience(pool, follower.broadcast) == 2
