"""Pages of a broadcast that never come, as after a purge of their lane: they are told, and the broadcast ends."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from shared.database.pool import Database as Pool
from tests.integration.dispatcher.factories import build_batch_message, build_record, generate_subscribers
from tests.integration.dispatcher.test_ledger import claim


@pytest.mark.parametrize(("page", "last"), [(0, False), (1, True)], ids=["the last is lost", "the first is lost"])
async def test_pages_that_never_come_are_told_and_keep_no_broadcast_from_its_end(
    ledger: PostgresLedger, pool: Pool, page: int, last: bool
) -> None:
    whole = build_batch_message(generate_subscribers(2))
    came = msgspec.structs.replace(whole, page=page, offset=100 * page, last=last)
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in await claim(ledger, came)])
    assert (await ledger.read_backlog()).unaccounted == 0
    assert [one.finished for one in await ledger.collect_progress(60)] == [False]

    long_ago = datetime.now(UTC) - timedelta(minutes=11)
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.broadcast set expires_at = $1, progressed_at = $1", long_ago)
    assert (await ledger.read_backlog()).unaccounted > 0
    (progress,) = await ledger.collect_progress(60)
    assert (progress.finished, progress.states) == (True, {DeliveryState.ACCEPTED: 2})
    await ledger.finish(came.broadcast)
    assert await ledger.collect_progress(60) == []
    assert (await ledger.read_backlog()).unaccounted > 0


async def test_what_waits_for_lost_pages_after_its_expiry_is_told_once_a_minute(
    ledger: PostgresLedger, pool: Pool
) -> None:
    """Each telling is an event to every municipal system."""
    came = msgspec.structs.replace(build_batch_message(generate_subscribers(2)), last=False)
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in await claim(ledger, came)])
    await ledger.collect_progress(60)
    change = """update dispatcher.broadcast set expires_at = clock_timestamp() - interval '5 minutes',
        progressed_at = clock_timestamp() - make_interval(secs => $1)"""
    told = {}
    for seconds in (2, 61):
        async with pool.connection() as connection:
            await connection.execute(change, seconds)
        told[seconds] = [one.finished for one in await ledger.collect_progress(60)]
    assert told == {2: [], 61: [False]}
