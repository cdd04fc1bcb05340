"""After a restore nothing is sent as long as a "Stop" may find nobody."""

import base64
from collections.abc import Mapping

import asyncpg
import pytest

from services.subscriptions.wiring import KeysUnconfirmed, require_confirmed_keys
from shared.database.migrations import NotMigrated
from shared.database.pool import Database as Pool
from shared.encryption import BlindIndexKey
from tests.databases import FreshDatabase
from tests.integration.cli.index_keys import KNOWN, NEW, OLD, RING, USED, build_environment, build_message
from tests.integration.cli.planned_broadcasts import run
from tests.integration.cli.test_holding import hold
from tests.integration.subscriptions.harness import build_harness


async def subscribe(pool: Pool, index: BlindIndexKey) -> None:
    await build_harness(pool).receive(build_message("Start", 1, index))


@pytest.mark.usefixtures("ledger")
async def test_sending_is_resumed_only_once_no_older_key_is_needed(
    subscriptions_pool: Pool, owner: asyncpg.Connection, database: FreshDatabase, environment: Mapping[str, str]
) -> None:
    await subscribe(subscriptions_pool, OLD)
    await hold(owner)
    dropped = build_environment(database, NEW)

    assert (await run(dropped, "keys", "status")).status == 1
    refused = await run(environment, "sending", "resume")
    assert (refused.status, "keys status" in refused.errors) == (3, True), refused.everything
    (number,) = (await run(environment, "sending", "--json")).json["numbers"]
    assert "keys status" in number["paused_reason"]

    assert (await run(dropped, "keys", "rotate-index")).status == 0
    assert (await run(environment, "sending", "resume")).status == 3
    assert (await run(dropped, "keys", "status")).status == 0
    assert (await run(environment, "sending", "resume")).status == 0

    await hold(owner)  # another restore asks for the keys again
    assert (await run(environment, "sending", "resume")).status == 3
    assert (await run(dropped, "keys", "status")).status == 0
    assert (await run(environment, "sending", "resume")).status == 0


async def test_an_erasure_that_waits_for_meta_does_not_hold_up_the_keys(
    owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    """It keeps the older hashes, by which it finds what is yet to be lifted, until the dispatcher has made it."""
    index = OLD.compute_index("user", "DE.1")
    encrypted = RING.encrypt(b"DE.1", purpose="user", index=index)
    await owner.execute(
        "insert into dispatcher.erasure (id, subscribers, indexes, user_index, user_sealed)"
        " values (gen_random_uuid(), '{}', array[$1::bytea], $1, $2)",
        *(index, encrypted),
    )
    await hold(owner)
    ours = build_environment(database, NEW)
    shown = [(await run(ours, "keys", name)).status for name in ("status", "rotate-index", "status")]
    assert shown == [1, 0, 0]
    assert not await owner.fetchval("select dispatcher.awaits_keys()")


async def test_without_an_older_key_no_drop_is_suggested(database: FreshDatabase) -> None:
    shown = (await run(build_environment(database, OLD), "keys", "status")).output
    assert shown.endswith("\nthe keys are those of the database, and no older one is needed in it\n")
    assert "may follow" not in shown
    assert (
        "`kreisfunk keys drop-index` may follow"
        in (await run(build_environment(database, USED), "keys", "status")).output
    )
    assert (await run(build_environment(database, KNOWN), "keys", "status")).status == 1


@pytest.mark.parametrize(
    ("stored", "ours", "why"),
    [
        (NEW, OLD, "hashes of a newer index key"),
        (OLD, BlindIndexKey(bytes(32)), "hashes of another index key"),
        (NEW, BlindIndexKey(OLD.key + bytes(range(32))), "hashes of another index key"),
    ],
    ids=["newer", "another", "another link"],
)
@pytest.mark.usefixtures("ledger")
async def test_keys_of_another_database_are_never_confirmed(
    subscriptions_pool: Pool,
    owner: asyncpg.Connection,
    database: FreshDatabase,
    environment: Mapping[str, str],
    stored: BlindIndexKey,
    ours: BlindIndexKey,
    why: str,
) -> None:
    await subscribe(subscriptions_pool, stored)
    await hold(owner)
    refused = await run(build_environment(database, ours), "keys", "status")
    assert (refused.status, why in refused.errors) == (1, True), refused.everything
    assert (await run(environment, "sending", "resume")).status == 3


async def test_a_ring_that_decrypts_nothing_is_never_confirmed(
    subscriptions_pool: Pool, database: FreshDatabase
) -> None:
    await subscribe(subscriptions_pool, OLD)
    ring = {"KREISFUNK_ENCRYPTION_KEYS": f"1:{base64.b64encode(bytes(32)).decode()}"}
    refused = await run(build_environment(database, OLD) | ring, "keys", "status")
    assert (refused.status, "cannot be decrypted" in refused.errors) == (1, True), refused.everything


async def test_no_message_is_handled_before_the_keys_are_confirmed(
    subscriptions_pool: Pool, owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    await require_confirmed_keys(subscriptions_pool)
    await hold(owner)
    with pytest.raises(KeysUnconfirmed, match="keys status"):
        await require_confirmed_keys(subscriptions_pool)
    assert (await run(build_environment(database, OLD), "keys", "status")).status == 0
    await require_confirmed_keys(subscriptions_pool)


async def test_subscriptions_wait_for_the_migration_of_the_dispatcher(
    subscriptions_pool: Pool, owner: asyncpg.Connection
) -> None:
    """Theirs may have run before."""
    await owner.execute("drop function dispatcher.awaits_keys")
    with pytest.raises(NotMigrated, match="kreisfunk migrate"):
        await require_confirmed_keys(subscriptions_pool)
