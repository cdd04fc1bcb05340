"""A new index key on a real database, while citizens write: nobody is subscribed twice, and no "Stop" is missed."""

import asyncio
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from functools import partial
from random import Random

import asyncpg
import msgspec
import pytest

from cli.keys.stores import list_hash_stores
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import decode
from shared.contracts.events import SubscriberErased
from shared.contracts.inbound import PreferenceChange
from shared.database.pool import Database as Pool
from shared.encryption import INDEX_BYTES, BlindIndexKey, get_index_version
from shared.outcome import Done
from tests.databases import FreshDatabase
from tests.factories.citizens import build_time
from tests.harness.commands import start_kreisfunk
from tests.integration.cli.index_keys import (
    KNOWN,
    NEW,
    OLD,
    RING,
    ROLE,
    SUBSCRIBE,
    USED,
    build_environment,
    build_message,
    build_phone,
    compute_phone_index,
    redeliver,
    rotate,
    run_keys,
)
from tests.integration.subscriptions.harness import SubscriptionsHarness, build_harness, encode_group
from tests.servers import fetch_until

MANY = 20_000
CITIZENS = 30
STATES = "select state, count(*)::int from subscriptions.subscriber group by 1"


@pytest.fixture
async def harness(subscriptions_pool: Pool) -> SubscriptionsHarness:
    return build_harness(subscriptions_pool)


async def states(owner: asyncpg.Connection) -> dict[str, int]:
    return {row[0]: row[1] for row in await owner.fetch(STATES)}


async def crowd(owner: asyncpg.Connection) -> None:
    """Many more subscribers, so that a rotation takes its time."""
    rows = []
    for number in range(MANY):
        index = OLD.compute_index("phone", build_phone(10_000 + number))
        rows.append((index, RING.encrypt(build_phone(10_000 + number).encode(), purpose="phone", index=index)))
    await owner.executemany(SUBSCRIBE, rows)


async def lifted(owner: asyncpg.Connection) -> int:
    counted: int = await owner.fetchval(
        "select count(*) from subscriptions.subscriber where length(phone_index) > $1", INDEX_BYTES
    )
    return counted


async def send_texts(
    harness: SubscriptionsHarness, citizens: Sequence[int], seed: int, ended: asyncio.Event
) -> dict[int, str]:
    """Starts and stops through one replica, now and then delivered twice, under either key; the last word of each."""
    random, last = Random(seed), {}
    while not ended.is_set():
        for citizen in citizens:
            last[citizen] = random.choice(("Start", "Stop", "Stop", "Daten"))
            message = build_message(last[citizen], citizen, random.choice((KNOWN, USED)))
            repeated = redeliver(message, citizen, random.choice((KNOWN, USED)))
            await asyncio.gather(harness.receive(message), harness.receive(repeated))
            if last[citizen] == "Daten":
                last[citizen] = "Stop"
                await harness.receive(build_message("Stop", citizen, random.choice((KNOWN, USED))))
    return last


async def test_while_citizens_write_and_the_command_is_killed_everybody_stays_one_person(
    owner: asyncpg.Connection, database: FreshDatabase, subscriptions_pool: Pool
) -> None:
    harnesses = [build_harness(subscriptions_pool) for _ in range(2)]
    for citizen in range(CITIZENS):
        await harnesses[0].receive(build_message(("Start", "Stop")[citizen % 2], citizen, OLD))
    await crowd(owner)
    before = await owner.fetchval("select count(*) from subscriptions.subscriber")
    ended = asyncio.Event()
    halves = [range(CITIZENS // 2), range(CITIZENS // 2, CITIZENS)]
    senders = [asyncio.create_task(send_texts(harnesses[half], halves[half], half, ended)) for half in range(2)]
    for _ in range(2):
        known = await lifted(owner)
        environment = build_environment(database, USED)
        running = await start_kreisfunk("keys", "rotate-index", environment=environment, stdout=DEVNULL)
        await fetch_until(partial(lifted, owner), (known + CITIZENS).__lt__)
        running.kill()
        await running.wait()
        assert await lifted(owner) < MANY, "it was killed too late to prove anything"
    await run_keys(database, "rotate-index", USED)
    ended.set()
    last = {citizen: word for words in await asyncio.gather(*senders) for citizen, word in words.items()}
    assert await owner.fetchval("select count(*) from subscriptions.subscriber") == before
    await rotate(database)
    for citizen, word in last.items():
        row = await owner.fetchrow(
            "select state from subscriptions.subscriber where phone_index = $1 and user_index = $2",
            NEW.compute_index("phone", build_phone(citizen)),
            NEW.compute_index("user", f"DE.{citizen}"),
        )
        assert row is not None
        assert row["state"] == {"Start": "subscribed", "Stop": "unsubscribed"}[word], citizen
    rows = await owner.fetch("select phone_index, phone_sealed from subscriptions.subscriber where phone_sealed > ''")
    opened = [RING.decrypt(encrypted, purpose="phone", index=index).decode() for index, encrypted in rows]
    assert [NEW.compute_index("phone", number) for number in opened] == [row["phone_index"] for row in rows]


async def test_with_the_older_key_gone_everybody_is_still_found(
    owner: asyncpg.Connection, database: FreshDatabase, harness: SubscriptionsHarness
) -> None:
    """Who is subscribed, who was, who was erased, who asked; and what was handled is known to have been."""
    words = ("Start", "Stop", "Löschen", "Start", "Start")
    first = [build_message("Start", citizen, OLD) for citizen in range(len(words))]
    await harness.receive(*first)
    second = [build_message(word, citizen, OLD) for citizen, word in enumerate(words)]
    await harness.receive(*second)
    await rotate(database)
    finished = await run_keys(database, "status", USED)
    assert finished.status == 0, finished.output
    known = await states(owner)
    assert known == {"subscribed": 3, "unsubscribed": 1}

    harness.publisher.published.clear()
    for messages in (first, second):
        await harness.receive(*(redeliver(one, citizen, NEW) for citizen, one in enumerate(messages)))
    assert await states(owner) == known
    late = build_message("Start", 2, NEW)
    stale = msgspec.structs.replace(late, sent_at=build_time(0), received_at=build_time(0.1))
    await harness.receive(stale)
    assert await states(owner) == known, "a Start from before an erasure subscribed again"
    await harness.receive(
        build_message("Stop", 0, NEW, phone_only=True), build_message("Start", 1, NEW), build_message("Löschen", 3, NEW)
    )
    assert await states(owner) == {"subscribed": 2, "unsubscribed": 1}
    assert len(harness.publisher.list_messages(SubscriberErased)[-1].subscribers) == 1


async def test_a_person_who_is_met_under_both_hashes_is_one(
    owner: asyncpg.Connection, harness: SubscriptionsHarness
) -> None:
    """An ingress with the old key alone, one that knows both, and one that writes the new one."""
    await harness.receive(
        build_message("Start", 1, OLD), build_message("Start", 1, KNOWN), build_message("Start", 1, USED)
    )
    assert await states(owner) == {"subscribed": 1}
    await harness.receive(build_message("Stop", 1, KNOWN, phone_only=True))
    assert await states(owner) == {"unsubscribed": 1}
    await harness.receive(build_message("Hallo", 1, USED), build_message("Hallo", 1, KNOWN))
    assert await owner.fetchval("select count(*)::int from subscriptions.conversation") == 2


@pytest.mark.parametrize("phone_only", [False, True])
async def test_two_rows_under_two_hashes_hold_nothing_up_and_become_one(
    owner: asyncpg.Connection, database: FreshDatabase, harness: SubscriptionsHarness, phone_only: bool
) -> None:
    """As if a message from before the rotation had been forgotten somewhere until now."""
    await harness.receive(
        build_message("Start", 1, NEW, phone_only=phone_only), build_message("Start", 1, OLD, phone_only=phone_only)
    )
    await harness.receive(build_message("Start", 2, OLD))
    finished = await run_keys(database, "rotate-index", USED)
    assert finished.status == 1
    assert await owner.fetchval(
        "select state from subscriptions.subscriber where phone_index = $1", compute_phone_index(2)
    )
    await harness.receive(build_message("Stop", 1, USED, phone_only=phone_only))
    assert await states(owner) == {"merged": 1, "subscribed": 1, "unsubscribed": 1}
    await rotate(database)


async def bury(harness: SubscriptionsHarness, index: BlindIndexKey) -> None:
    """A message of the first citizen that could not be handled."""
    group = encode_group((build_message("?", 1, index),))
    assert await harness.parts.dead_letters.store(group, "unexpected Error") == Done()


async def test_an_erasure_reaches_what_was_stored_under_the_other_hash(
    owner: asyncpg.Connection, harness: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Feedback: Schön!", 1, OLD))
    await harness.receive(build_message("Hallo", 2, OLD))
    await bury(harness, OLD)
    await harness.receive(build_message("Löschen", 1, USED))
    assert await owner.fetchval("select count(*)::int from subscriptions.feedback") == 0
    assert await owner.fetchval("select count(*)::int from subscriptions.dead_letter") == 0
    assert await owner.fetchval("select count(*)::int from subscriptions.conversation") == 2
    (erased,) = harness.publisher.list_messages(SubscriberErased)
    expected = {
        key.compute_index(kind, value)
        for key in (OLD, NEW)
        for kind, value in (("phone", build_phone(1)), ("user", "DE.1"))
    }
    assert {address.index for address in erased.addresses} == expected


async def test_a_preference_that_is_delivered_again_is_known_under_the_other_hash(
    owner: asyncpg.Connection, harness: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Start", 1, OLD))
    stop = build_message("", 1, KNOWN)
    change = PreferenceChange(person=stop.sender, category="marketing_messages", value="stop", at=stop.sent_at)
    repeated = msgspec.structs.replace(change, person=build_message("", 1, USED).sender)
    await harness.receive_preferences(change)
    handled = await owner.fetchval("select count(*) from subscriptions.inbox")
    await harness.receive_preferences(repeated)
    assert await owner.fetchval("select count(*) from subscriptions.inbox") == handled


async def store_one_in_the_ledger(owner: asyncpg.Connection) -> None:
    """A reply and an erasure of somebody under the older hash, and a reply without an address."""
    index = OLD.compute_index("user", "DE.9")
    encrypted = RING.encrypt(b"DE.9", purpose="user", index=index)
    await owner.execute(
        "insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed,"
        " asked_at, expires_at) values (gen_random_uuid(), gen_random_uuid(), 'reply', 'read', 'user', $1, $2,"
        " now(), now()), (gen_random_uuid(), gen_random_uuid(), 'reply', 'read', 'user', '', '', now(), now())",
        index,
        encrypted,
    )
    await owner.execute(
        "insert into dispatcher.erasure (id, subscribers, indexes, user_index, user_sealed)"
        " values (gen_random_uuid(), '{}', array[$1::bytea], $1, $2)",
        index,
        encrypted,
    )


async def test_nothing_has_an_older_hash_afterwards(
    owner: asyncpg.Connection, database: FreshDatabase, harness: SubscriptionsHarness
) -> None:
    """In any column of both schemas that holds some, and in the messages that are kept."""
    for citizen, word in enumerate(("Start", "Stop", "Löschen", "Hallo")):
        await harness.receive(build_message("Start", citizen, OLD), build_message(word, citizen, OLD))
    await store_one_in_the_ledger(owner)
    for name in ("rotate-index", "status"):
        early = await run_keys(database, name, KNOWN)
        assert (early.status, "does not write yet" in early.errors) == (1, True)
    before = await run_keys(database, "status", USED)
    assert (before.status, "still needed" in before.errors) == (1, True)
    await rotate(database)
    holders = await owner.fetch(
        "select table_schema || '.' || table_name as table, column_name as column, data_type = 'ARRAY' as many"
        " from information_schema.columns where table_schema in ('subscriptions', 'dispatcher')"
        " and table_name not like 'delivery\\_%' and column_name ~ '(index|indexes|senders)$'"
    )
    assert len(holders) == 9
    found = {}
    for table, column, many in holders:
        value = f"unnest({column})" if many else column
        rows = await owner.fetch(f"select distinct {value} from {table} where {column} is not null")  # noqa: S608
        found[f"{table}.{column}"] = {get_index_version(row[0]) for row in rows if row[0]}
    assert found.pop("dispatcher.erasure.indexes") == {1, 2}, "it has to find deliveries before and after"
    assert found.pop("subscriptions.dead_letter.senders") == set()
    assert set(map(tuple, found.values())) == {(2,)}
    [address] = await owner.fetch(
        "select address_index, address_sealed from dispatcher.delivery where address_index <> ''"
    )
    assert RING.decrypt(address[1], purpose="user", index=address[0]) == b"DE.9"
    assert address[0] == NEW.compute_index("user", "DE.9")
    stored = await owner.fetch("select publications from subscriptions.inbox")
    bodies = [decode(each["body"]) for row in stored for each in msgspec.msgpack.decode(row[0])]
    recipients = [body.recipient for body in bodies if isinstance(body, ReplyRequested)]
    assert {get_index_version(one.index) for one in recipients} == {2}
    assert all(RING.decrypt(one.sealed, purpose=one.kind, index=one.index) for one in recipients)


async def test_dead_letters_under_the_older_hash_keep_its_key(
    owner: asyncpg.Connection, database: FreshDatabase, harness: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Start", 1, OLD))
    await bury(harness, OLD)
    finished = await run_keys(database, "rotate-index", USED)
    assert (finished.status, "dead-letters" in finished.errors) == (1, True)
    assert await lifted(owner) == 0, "replayed, it would find nobody"
    await owner.execute("delete from subscriptions.dead_letter")
    await bury(harness, KNOWN)
    await rotate(database)
    finished = await run_keys(database, "status", USED)
    assert (finished.status, "dead letters: 1 under" in finished.output) == (1, True)
    await owner.execute("delete from subscriptions.dead_letter")
    await bury(harness, USED)
    finished = await run_keys(database, "status", USED)
    assert finished.status == 0, finished.output


async def test_a_row_that_changes_meanwhile_stays_as_it_was_written(
    owner: asyncpg.Connection, database: FreshDatabase, harness: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Start", 1, OLD), build_message("Start", 2, OLD))
    connection = await asyncpg.connect(database.build_role_url(ROLE))
    store = next(store for store in list_hash_stores(NEW, RING) if "phone" in store.name)
    rows = await connection.fetch(
        "select id, phone_index as index, phone_sealed as ciphertext, 'phone' as kind from subscriptions.subscriber"
    )
    ours, _ = store.renew_rows(rows)
    await harness.receive(build_message("Stop", 1, KNOWN))
    await store.write_rows(connection, ours)
    await connection.close()
    assert await states(owner) == {"subscribed": 1, "unsubscribed": 1}
    versions = await owner.fetch("select length(phone_index) from subscriptions.subscriber order by state")
    assert [row[0] for row in versions] == [INDEX_BYTES + 1, INDEX_BYTES]
