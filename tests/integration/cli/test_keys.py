"""New encryption keys on a real database, with the rights of the role that rotates."""

import os
from asyncio.subprocess import DEVNULL, PIPE
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from cli.keys.stores import SUBSCRIBERS, build_encrypted_store
from services.subscriptions.domain.publication import Destination, build_event
from shared.contracts.dispatch import BroadcastBatch, Recipient, ReplyRequested
from shared.contracts.envelope import decode
from shared.contracts.ids import make_timed_id
from shared.contracts.message import Address, AddressKind
from shared.encryption import KeyRing
from tests.databases import FreshDatabase
from tests.harness.commands import CommandResult, run_in_process, start_kreisfunk
from tests.integration.cli import index_keys
from tests.integration.cli.index_keys import ROLE, SUBSCRIBE, build_phone
from tests.servers import fetch_until

OLD, INDEX = index_keys.ENCRYPTION_KEYS, index_keys.OLD
BOTH = f"{OLD},2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
NEW = BOTH.split(",")[1]
STORED = 250
MANY = 40_000
NOW = datetime.now(UTC)
EXAMPLES = Path(__file__).parents[3] / "shared" / "contracts" / "examples"
PHONES = build_encrypted_store(SUBSCRIBERS[AddressKind.PHONE], KeyRing.parse(BOTH))
BROADCAST = """
    with notice as (insert into subscriptions.notice (source, notice) values ('s', 'n'))
    insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template, published_at,
        expires_at)
    values ($1, 's', 'n', 1, '', 't', 'bulk', '{}', now(), now())
"""
VERSIONS = "select get_byte(phone_sealed, 0), count(*)::int from subscriptions.subscriber group by 1 order by 1"


@pytest.fixture
async def owner(owner: asyncpg.Connection) -> asyncpg.Connection:
    """The owner's connection to a database with subscribers under the old key, and one open delivery."""
    rows = [_person(number) for number in range(STORED)]
    await owner.executemany(SUBSCRIBE, rows)
    await owner.execute(
        "insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed,"
        " asked_at, expires_at) values (gen_random_uuid(), gen_random_uuid(), 'reply', 'accepted', 'phone', $1, $2,"
        " now(), now())",
        *rows[0],
    )
    await _store_messages(owner)
    return owner


async def _store_messages(connection: asyncpg.Connection) -> None:
    """An answer and a page of a broadcast, to be published once more."""
    index, encrypted = _person(7)
    to = Address(kind=AddressKind.PHONE, index=index, sealed=encrypted)
    answer = ReplyRequested(reply=make_timed_id(NOW, b"reply"), recipient=to, text="Vielen Dank ü", expires_at=NOW)
    publication = build_event(answer, identifier=answer.reply, at=NOW, destination=Destination.DISPATCH)
    await connection.execute(
        "insert into subscriptions.inbox (message_key, result, publications, received_at) values ($1, 'x', $2, now())",
        b"key",
        msgspec.msgpack.encode((publication,)),
    )
    page = next(iter(EXAMPLES.glob("*broadcast.batch.v1.json"))).read_bytes()
    batch = decode(page)
    assert isinstance(batch, BroadcastBatch)
    recipient = Recipient(subscriber=batch.broadcast, sequence=1, address=to)
    stored = build_event(msgspec.structs.replace(batch, recipients=(recipient,)), identifier=batch.broadcast, at=NOW)
    await connection.execute(BROADCAST, batch.broadcast)
    await connection.execute(
        "insert into subscriptions.pending_page values ($1, 0, $1, $2, 1, true)", batch.broadcast, stored.body
    )


def _person(number: int) -> tuple[bytes, bytes]:
    phone = build_phone(number)
    index = INDEX.compute_index("phone", phone)
    return index, KeyRing.parse(OLD).encrypt(phone.encode(), purpose="phone", index=index)


async def stored_addresses(connection: asyncpg.Connection) -> list[Address]:
    """Those inside of messages."""
    publications = msgspec.msgpack.decode(await connection.fetchval("select publications from subscriptions.inbox"))
    answer = decode(publications[0]["body"])
    page = decode(await connection.fetchval("select body from subscriptions.pending_page"))
    assert isinstance(answer, ReplyRequested)
    assert isinstance(page, BroadcastBatch)
    assert answer.text == "Vielen Dank ü"
    return [answer.recipient, page.recipients[0].address]


async def rotate(database: FreshDatabase, keys: str, name: str = "rotate") -> CommandResult:
    return await run_in_process("keys", name, environment=build_environment(database, keys))


def build_environment(database: FreshDatabase, keys: str) -> dict[str, str]:
    return {**index_keys.build_environment(database, INDEX), "KREISFUNK_ENCRYPTION_KEYS": keys}


async def versions(owner: asyncpg.Connection) -> dict[int, int]:
    return {row[0]: row[1] for row in await owner.fetch(VERSIONS)}


async def test_everything_opens_with_the_new_key_alone_afterwards_and_nothing_changes_without_the_old_one(
    owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    without = await rotate(database, NEW)
    assert (without.status, "not in the ring" in without.errors) == (1, True)
    assert await versions(owner) == {1: STORED}
    finished = await rotate(database, BOTH)
    assert (finished.status, finished.errors) == (0, "")
    assert f"{STORED} encrypted again" in finished.output
    assert await versions(owner) == {2: STORED}
    ring = KeyRing.parse(NEW)
    rows = await owner.fetch("select phone_index, phone_sealed from subscriptions.subscriber")
    rows += await owner.fetch("select address_index, address_sealed from dispatcher.delivery")
    opened = {ring.decrypt(encrypted, purpose="phone", index=index) for index, encrypted in rows}
    assert len(opened) == STORED
    for address in await stored_addresses(owner):
        assert ring.decrypt(address.sealed, purpose="phone", index=address.index) == build_phone(7).encode()
    again = await rotate(database, BOTH)
    assert "version 2: 0 encrypted again" in again.output


async def test_what_arrives_under_the_old_key_after_a_rotation_keeps_that_key(
    owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    """A dead letter that was replayed, and an answer from a queue."""
    publications = await owner.fetchval("select publications from subscriptions.inbox")
    for insertion in (
        (SUBSCRIBE, *_person(STORED)),
        (
            "insert into subscriptions.inbox (message_key, result, publications, received_at)"
            " values ('late', 'x', $1, now())",
            publications,
        ),
    ):
        await rotate(database, BOTH)
        status = await rotate(database, BOTH, "status")
        assert (status.status, "`kreisfunk keys drop` may follow" in status.output) == (0, True), status.errors
        await owner.execute(*insertion)
        for ring in (BOTH, NEW):
            status = await rotate(database, ring, "status")
            assert (status.status, "1 under an older encryption key" in status.output) == (1, True), status.output
            assert "keys rotate`" in status.errors


async def test_killed_in_the_middle_it_goes_on_and_leaves_nothing_under_the_old_key(
    owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    await owner.executemany(SUBSCRIBE, [_person(number) for number in range(STORED, MANY)])
    running = await start_kreisfunk("keys", "rotate", environment=build_environment(database, BOTH), stdout=DEVNULL)
    await fetch_until(lambda: versions(owner), lambda found: found.get(2, 0) > 0)
    running.kill()
    await running.wait()
    assert await versions(owner) != {2: MANY}, "it was killed too late to prove anything"
    finished = await rotate(database, BOTH)
    assert (finished.status, finished.errors) == (0, "")
    assert await versions(owner) == {2: MANY}
    assert {address.sealed[0] for address in await stored_addresses(owner)} == {2}
    ring = KeyRing.parse(NEW)
    rows = await owner.fetch("select phone_index, phone_sealed from subscriptions.subscriber")
    assert len({ring.decrypt(encrypted, purpose="phone", index=index) for index, encrypted in rows}) == MANY


async def test_every_encrypted_column_there_is_is_rotated(owner: asyncpg.Connection, database: FreshDatabase) -> None:
    """What ends in `_sealed`, and what holds whole messages.

    Answers to publishers name nobody. Dead letters have a ring that only subscriptions holds, so no other can encrypt
    them anew: they are gone after `dead_letter_days`, and then the older key may go.
    """
    found = await owner.fetch(
        "select table_schema || '.' || table_name || '.' || column_name from information_schema.columns"
        " where table_schema in ('subscriptions', 'dispatcher') and table_name not like 'delivery\\_%'"
        " and data_type = 'bytea' and column_name !~ '(index|_key|hash|digest|author|key)$'"
    )
    not_rotated = {"subscriptions.notice_event.publications", "subscriptions.dead_letter.body_sealed"}
    assert {row[0] for row in found} - not_rotated == {
        "subscriptions.subscriber.phone_sealed",
        "subscriptions.subscriber.user_sealed",
        "subscriptions.inbox.publications",
        "subscriptions.pending_page.body",
        "dispatcher.delivery.address_sealed",
        "dispatcher.erasure.user_sealed",
    }


async def test_whoever_still_encrypts_with_the_old_key_is_noticed(
    owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    await owner.execute(
        "create function public.undo() returns trigger language plpgsql as $$"
        " begin new.phone_sealed := old.phone_sealed; return new; end $$"
    )
    await owner.execute(
        "create trigger undo before update on subscriptions.subscriber for each row execute function public.undo()"
    )
    finished = await rotate(database, BOTH)
    assert finished.status == 1
    assert "still encrypts with an older key" in finished.errors


async def test_what_changes_meanwhile_stays_as_it_was_written(
    owner: asyncpg.Connection, database: FreshDatabase
) -> None:
    connection = await asyncpg.connect(database.build_role_url(ROLE))
    page = await connection.fetch(PHONES.build_query(), 10)
    ours, _ = PHONES.renew_rows(page)
    await owner.execute("update subscriptions.subscriber set phone_sealed = '\\x02aa' where id = $1", ours[0][0])
    await PHONES.write_rows(connection, ours)
    stored = await owner.fetchval("select phone_sealed from subscriptions.subscriber where id = $1", ours[0][0])
    assert stored == b"\x02\xaa"
    assert await versions(owner) == {1: STORED - 10, 2: 10}
    await connection.close()


FORBIDDEN = (
    "select state from subscriptions.subscriber",
    "update subscriptions.subscriber set state = 'unsubscribed'",
    "insert into subscriptions.subscriber (id) values (gen_random_uuid())",
    "select asked from subscriptions.conversation",
    "update subscriptions.conversation set asked = ''",
    "update subscriptions.erasure set erased_on = now()",
    "select body_sealed from subscriptions.dead_letter",
    "delete from subscriptions.dead_letter",
    "select author from subscriptions.feedback",
    "update dispatcher.delivery set state = 'failed'",
    "select subscribers from dispatcher.erasure",
    "select * from dispatcher.reached",
    "select * from subscriptions.consent",
    "select content from dispatcher.delivery",
    "select state from dispatcher.delivery",
    "update subscriptions.inbox set result = ''",
    "delete from subscriptions.subscriber",
)


async def test_the_role_can_do_nothing_else(database: FreshDatabase) -> None:
    connection = await asyncpg.connect(database.build_role_url(ROLE))
    for statement in FORBIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_an_output_that_was_closed_is_not_called_the_databases_fault(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    """As with `| head`."""
    reading, writing = os.pipe()
    os.close(reading)
    running = await start_kreisfunk(
        "keys", "rotate", environment=build_environment(database, BOTH), stdout=writing, stderr=PIPE
    )
    os.close(writing)
    assert (await running.communicate())[1] == b""
    assert running.returncode == 1


async def test_a_disk_that_is_full_under_the_output_is_not_called_the_databases_fault(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    running = await start_kreisfunk(
        "keys", "status", environment=build_environment(database, BOTH), stdout=full, stderr=PIPE
    )
    os.close(full)
    problem = (await running.communicate())[1]
    assert running.returncode == 1
    assert b"Database" not in problem
    assert b"No space left on device" in problem
