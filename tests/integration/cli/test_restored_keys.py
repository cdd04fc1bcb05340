"""After a restore nothing is sent as long as a "Stop" may find nobody."""

from datetime import UTC, datetime

import asyncpg

from cli.backup.holding import hold_everything
from services.dispatcher.adapters.ledger import PostgresLedger
from shared.database.pool import open_database
from tests.databases import FreshDatabase
from tests.integration.cli.index_keys import KNOWN, NEW, OLD, USED, build_environment, build_message
from tests.integration.cli.planned_broadcasts import run
from tests.integration.subscriptions.harness import build_harness


async def subscribe_before_the_rotation(database: FreshDatabase) -> None:
    url = database.build_role_url("kreisfunk_subscriptions")
    async with open_database(url, password=None, name="test", size=5) as pool:
        await build_harness(pool).receive(build_message("Start", 1, OLD))


async def hold(database: FreshDatabase) -> None:
    owner = await asyncpg.connect(database.url)
    try:
        async with owner.transaction():
            await hold_everything(owner, datetime.now(UTC))
    finally:
        await owner.close()


async def test_sending_is_resumed_only_once_no_older_key_is_needed(
    ledger: PostgresLedger, database: FreshDatabase
) -> None:
    await subscribe_before_the_rotation(database)
    await hold(database)
    operator = {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_operator")}
    dropped = build_environment(database, NEW)

    assert (await run(dropped, "keys", "status")).status == 1
    refused = await run(operator, "sending", "resume")
    assert (refused.status, "keys status" in refused.errors) == (3, True), refused.everything
    (number,) = (await run(operator, "sending", "--json")).json["numbers"]
    assert "keys status" in number["paused_reason"]

    assert (await run(dropped, "keys", "rotate-index")).status == 0
    assert (await run(operator, "sending", "resume")).status == 3
    assert (await run(dropped, "keys", "status")).status == 0
    assert (await run(operator, "sending", "resume")).status == 0


async def test_another_restore_asks_for_the_keys_again(ledger: PostgresLedger, database: FreshDatabase) -> None:
    operator = {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_operator")}
    for _ in range(2):
        await hold(database)
        assert (await run(operator, "sending", "resume")).status == 3
        assert (await run(build_environment(database, USED), "keys", "status")).status == 0
        assert (await run(operator, "sending", "resume")).status == 0


async def test_without_an_older_key_no_drop_is_suggested(database: FreshDatabase) -> None:
    shown = (await run(build_environment(database, OLD), "keys", "status")).output
    assert shown.endswith("\nno older key is needed in the database\n")
    assert "may follow" not in shown
    assert (
        "`kreisfunk keys drop-index` may follow"
        in (await run(build_environment(database, USED), "keys", "status")).output
    )
    assert (await run(build_environment(database, KNOWN), "keys", "status")).status == 1
