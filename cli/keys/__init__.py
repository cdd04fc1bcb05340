"""`kreisfunk keys`: new encryption keys and index keys, without downtime."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer
from rich.progress import Progress

from cli.database import run_on_database
from cli.keys.key_files import KeyFilesError, Ring, add_index_key, add_key, drop_index_key, drop_key, use_index_key
from cli.keys.renewal import AddressRenewal
from cli.keys.stores import Store, count_old_dead_letters, list_hash_stores, list_message_stores, list_sealed_stores
from cli.keys.verification import find_foreign_keys
from cli.options import DatabaseStack, Yes
from cli.output import confirm, fail, say
from cli.progress import build_bars
from cli.settings import IndexRotationSettings, RotationSettings, read_installation_settings
from cli.stacks import DATABASE_URL
from shared.encryption import BlindIndexKey, EncryptionError

# A process that has only the old ring goes on encrypting with it; without a limit this would never end.
MAX_PASSES = 3
T = TypeVar("T")
S = TypeVar("S", bound=RotationSettings)

Folder = Annotated[Path, typer.Argument(help="Folder of secrets, as `kreisfunk secrets` made it.")]
OfRing = Annotated[
    Ring, typer.Option("--ring", help="Of citizens' addresses, of subscriptions' dead letters, or of the newsroom.")
]
USERS: Mapping[Ring, str] = {
    Ring.ADDRESSES: "dispatcher and ingress",
    Ring.DEAD_LETTERS: "subscriptions",
    Ring.NEWSROOM: "the newsroom",
}
AFTER_ADDING: Mapping[Ring, str] = {
    Ring.ADDRESSES: "then run `kreisfunk keys rotate`",
    Ring.DEAD_LETTERS: "and drop the older ones after `dead_letter_days`",
    Ring.NEWSROOM: "and drop the older ones once everybody has set up their one-time codes anew",
}
MAY_DROP = "Has `kreisfunk keys status` said that this may follow?"
BEFORE_DROPPING: Mapping[Ring, str] = {
    Ring.ADDRESSES: MAY_DROP,
    Ring.DEAD_LETTERS: "Have `dead_letter_days` passed since subscriptions was restarted with the newest one?",
    Ring.NEWSROOM: "Has everybody set up their one-time codes anew?",
}
keys = typer.Typer(no_args_is_help=True)


@keys.command("add")
def add(folder: Folder, ring: OfRing = Ring.ADDRESSES) -> None:
    """Add a new key to a ring. Then restart those who use it, one replica after the other."""
    version = _change_key_files(lambda of: add_key(of, ring), folder)
    say(f"version {version} added; restart {USERS[ring]}, {AFTER_ADDING[ring]}")


@keys.command("rotate")
def rotate_command(stack: DatabaseStack = None) -> None:
    """Encrypt all stored addresses with the newest key, while everything runs. It may be interrupted and repeated.

    Exit status: 0 nothing is encrypted with an older key any more, 1 something is, 2 settings missing, 4 database
    unavailable or role refused.
    """
    settings = _read_settings(RotationSettings, stack)
    done = _rotate_stores(settings, list_sealed_stores(settings.ring), "sealed anew")
    say(f"everything is sealed with version {max(settings.ring.keys)}: {done}")


@keys.command("drop")
def drop(folder: Folder, ring: OfRing = Ring.ADDRESSES, yes: Yes = False) -> None:
    """Drop all keys of a ring but the newest, once nothing needs them. Then restart those who use it."""
    ask = partial(_confirm_loss, "What is stored under an older key is lost for good.", BEFORE_DROPPING[ring], yes)
    version = _change_key_files(lambda of: drop_key(of, ring, ask), folder)
    say(f"version {version} is the only one; restart {USERS[ring]}")


@keys.command("add-index")
def add_index(folder: Folder) -> None:
    """Add a new index key, which is used for lookups only. Then restart every ingress, and use it."""
    version = _change_key_files(add_index_key, folder)
    say(f"index key {version} added; restart every ingress, then run `kreisfunk keys use-index`")


@keys.command("use-index")
def use_index(folder: Folder) -> None:
    """Write with the new index key, once every ingress has it. Then restart every ingress, and rotate."""
    version = _change_key_files(use_index_key, folder)
    say(f"index key {version} writes; restart every ingress, then run `kreisfunk keys rotate-index`")


@keys.command("rotate-index")
def rotate_index(stack: DatabaseStack = None) -> None:
    """Rewrite all stored hashes with the new index key, while everything runs. It may be interrupted and repeated.

    Exit status: 0 no older hash is left, 1 some are, 2 settings missing, 4 database unavailable or role refused.
    """
    settings = _read_settings(IndexRotationSettings, stack)
    index = _require_index_in_use(settings)
    _, blocking = _run_on_database(settings, lambda connection: count_old_dead_letters(connection, index))
    if blocking:
        fail(
            "Some dead letters know the older hash only: they would not find whom they are from.",
            "Handle them with `kreisfunk dead-letters`, then run it again.",
        )
    messages = list_message_stores(AddressRenewal(settings.ring, index))
    done = _rotate_stores(settings, (*list_hash_stores(index, settings.ring), *messages), "lifted")
    say(f"everything has hashes of index key {settings.index.version}: {done}")


@keys.command("status")
def show_status(stack: DatabaseStack = None) -> None:
    """Say whether older keys may be dropped: exit status 0 if they may, 1 if one may not, or none is the database's.

    What is on queues, in the quarantine or encrypted in dead letters may need an older key, too, and is not counted.
    After a restore, no message is handled and sending is not resumed until this ends with 0.
    """
    settings = _read_settings(IndexRotationSettings, stack)
    _report_left(
        _run_on_database(settings, lambda connection: _count_sealed(connection, settings)),
        "an older sealing key",
        "Run `kreisfunk keys rotate`.",
    )
    if len(settings.ring.keys) > 1:
        say("`kreisfunk keys drop` may follow, if nothing older is on queues, in the quarantine or in dead letters")
    _report_left(
        _run_on_database(settings, lambda connection: _count_hashed(connection, settings)),
        "an older index key",
        "Run `kreisfunk keys rotate-index`; replay or drop dead letters.",
    )
    if settings.index.others:
        say("`kreisfunk keys drop-index` may follow, `feedback_days` after `use-index`: strangers' feedback needs it")
    if foreign := _run_on_database(settings, lambda connection: _confirm_keys(connection, settings)):
        fail(f"These keys are not those of the database: {foreign}.", "Unpack the secrets that belong to it.")
    say("the keys are those of the database, and no older one is needed in it")


@keys.command("drop-index")
def drop_index(folder: Folder, yes: Yes = False) -> None:
    """Drop the older index key, once `kreisfunk keys status` permits it. Then restart every ingress."""
    ask = partial(_confirm_loss, "Whoever is stored under the older index key is not found any more.", MAY_DROP, yes)
    version = _change_key_files(lambda of: drop_index_key(of, ask), folder)
    say(f"index key {version} is the only one; restart every ingress")


def _change_key_files(change: Callable[[Path], int], folder: Path) -> int:
    try:
        return change(folder)
    except (KeyFilesError, EncryptionError, OSError) as error:
        fail(str(error))


def _confirm_loss(loss: str, question: str, yes: bool) -> None:
    confirm(f"{loss} {question}", yes=yes, otherwise=loss)


def _read_settings(kind: type[S], stack: Path | None) -> S:
    return read_installation_settings(kind, stack, DATABASE_URL, lambda one: one.addresses.rotation)


def _require_index_in_use(settings: IndexRotationSettings) -> BlindIndexKey:
    index = settings.index
    if any(len(other) > len(index.key) for other in index.others):
        fail("The new index key does not write yet.", "Run `kreisfunk keys use-index` and restart every ingress.")
    return index


def _report_left(left: Mapping[str, int], what: str, advice: str) -> None:
    for name, count in left.items():
        say(f"{name}: {count} under {what}")
    if any(left.values()):
        fail(f"{what.capitalize()} is still needed.", advice)


async def _count_sealed(connection: asyncpg.Connection, settings: RotationSettings) -> dict[str, int]:
    """Count the rows of each store that are sealed with an older key."""
    return {store.name: await store.count_left(connection) for store in list_sealed_stores(settings.ring)}


async def _count_hashed(connection: asyncpg.Connection, settings: IndexRotationSettings) -> dict[str, int]:
    """Count the rows of each store that have an older hash."""
    index = _require_index_in_use(settings)
    stores = list_hash_stores(index, settings.ring)
    left = {store.name: await store.count_outdated(connection) for store in stores}
    return left | {"dead letters": (await count_old_dead_letters(connection, index))[0]}


async def _confirm_keys(connection: asyncpg.Connection, settings: IndexRotationSettings) -> str | None:
    """Confirm the keys after a restore, or return why they are not those of the database."""
    foreign = await find_foreign_keys(connection, settings.ring, settings.index)
    if foreign is None:
        await connection.execute("select dispatcher.confirm_keys()")
    return foreign


def _rotate_stores(settings: RotationSettings, stores: Sequence[Store], what: str) -> str:
    """Return the number of renewed rows and the time taken, as text."""
    started = time.monotonic()
    renewed, unreadable = _run_on_database(settings, lambda connection: _rotate_repeatedly(connection, stores, what))
    if unreadable:
        fail(
            f"{unreadable} addresses or messages have a key that is not in the ring.",
            "Add the old keys and run it again.",
        )
    return f"{renewed} {what} in {time.monotonic() - started:.1f} s"


def _run_on_database(settings: RotationSettings, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    return run_on_database(settings, "keys", work, role="the role kreisfunk_rotation")


async def _rotate_repeatedly(connection: asyncpg.Connection, stores: Sequence[Store], what: str) -> tuple[int, int]:
    """Return how many rows were renewed and how many cannot be decrypted."""
    renewed = 0
    for _ in range(MAX_PASSES):
        with build_bars() as bars:
            counts = [await _rotate_store(connection, store, bars, what) for store in stores]
        fresh, unreadable = (sum(column) for column in zip(*counts, strict=True))
        renewed += fresh
        if not fresh or unreadable:
            break
    else:
        fail(
            "Somebody still seals with an older key, or an older index key.",
            "Restart every dispatcher and every ingress, then run it again.",
        )
    return renewed, unreadable


async def _rotate_store(connection: asyncpg.Connection, store: Store, bars: Progress, what: str) -> tuple[int, int]:
    renewed = unreadable = 0
    left = await store.count_outdated(connection)
    task = bars.add_task(store.name, total=left)
    async for page in store.rotate(connection):
        renewed, unreadable = renewed + page.renewed, unreadable + page.unreadable
        bars.update(task, advance=page.read)
    bars.update(task, completed=left)
    if renewed:
        say(f"{store.name}: {renewed} {what}")
    return renewed, unreadable
