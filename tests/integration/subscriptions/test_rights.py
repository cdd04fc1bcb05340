"""Results of the migrations, and what each role may do with them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from services.subscriptions.wiring import MIGRATIONS
from shared.database.migrations import list_pending_versions, migrate
from tests.databases import FreshDatabase, create_database
from tests.factories.citizens import build_message
from tests.integration.subscriptions.harness import ROLE, SubscriptionsHarness
from tests.servers import Servers, connect_to_database


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncIterator[FreshDatabase]:
    async with create_database(servers, "template1") as fresh:
        yield fresh


async def migrated(url: str) -> list[str]:
    async with connect_to_database(url) as connection:
        return await migrate(connection, "subscriptions", MIGRATIONS)


async def test_three_replicas_migrate_at_once_and_one_of_them_does_it(empty_database: FreshDatabase) -> None:
    ran = await asyncio.gather(*(migrated(empty_database.url) for _ in range(3)))
    assert sorted(map(len, ran)) == [0, 0, len(list(MIGRATIONS.glob("*.sql")))]


async def test_the_service_sees_that_its_migrations_ran(role: asyncpg.Connection) -> None:
    assert await list_pending_versions(role, "subscriptions", MIGRATIONS) == []


FORBIDDEN = (
    "create table subscriptions.more (id int)",
    "alter table subscriptions.subscriber add more int",
    "drop table subscriptions.inbox",
    "truncate subscriptions.inbox",
    "update subscriptions.consent set event = 'given'",
    "delete from subscriptions.consent",
    "insert into subscriptions.consent (subscriber_id, sequence, event, topics, said_at, received_at, recorded_at,"
    " message_key) values (gen_random_uuid(), 1, 'given', '{}', now(), now(), now() - interval '4 years', '')",
    "insert into subscriptions.consent (id, subscriber_id, sequence, event, topics, said_at, received_at,"
    " message_key) overriding system value values (1, gen_random_uuid(), 1, 'given', '{}', now(), now(), '')",
    "update subscriptions.wording set text = ''",
    "delete from subscriptions.wording",
    "delete from subscriptions.broadcast",
    "insert into subscriptions.schema_migrations values ('1')",
    "select * from dispatcher.delivery",
    "select * from newsroom.account",
    "create table public.more (id int)",
    "create schema more",
    "create role more",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_service_may_not(module_database: FreshDatabase, statement: str) -> None:
    async with connect_to_database(module_database.build_role_url(ROLE)) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_the_service_purges_no_proof_before_its_time(
    harness: SubscriptionsHarness, role: asyncpg.Connection
) -> None:
    """Neither by a shorter period nor by saying that something was said long ago."""
    said = build_message("Start", seconds=-4 * 365 * 86_400)
    await harness.receive(said, build_message("Stop", seconds=-4 * 365 * 86_400 + 1))
    purge = "select subscriptions.purge_proofs($1, 100)"
    for days in (0, 1, 1094):
        with pytest.raises(asyncpg.RaiseError, match="at least 1095 days"):
            await role.fetchval(purge, timedelta(days=days))
    assert await role.fetchval(purge, timedelta(days=1095)) == 0
    assert await role.fetchval("select count(*) from subscriptions.consent where recorded_at <= now()") == 2


async def test_the_monitor_counts_but_sees_no_address(
    harness: SubscriptionsHarness, monitor: asyncpg.Connection
) -> None:
    await harness.receive(build_message("Start"))
    assert await monitor.fetchval("select count(*) from subscriptions.subscriber where state = 'subscribed'") == 1
    assert await monitor.fetchval("select count(audience) from subscriptions.broadcast") == 0
    for hidden in (
        "select id from subscriptions.subscriber",
        "select phone_index from subscriptions.subscriber",
        "select user_sealed from subscriptions.subscriber",
        "select publications from subscriptions.inbox",
        "select message_key from subscriptions.inbox",
        "select subscriber_id from subscriptions.consent",
        "select topic from subscriptions.subscription",
        "select value from subscriptions.feedback",
        "select position from subscriptions.broadcast",
        "select body from subscriptions.pending_page",
        "select * from subscriptions.conversation",
        "update subscriptions.broadcast set state = 'cancelled'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await monitor.execute(hidden)
