"""`kreisfunk keys`: new encryption keys and index keys, without downtime."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import asyncpg
import typer
from rich.progress import Progress

from cli.database import run_on_database
from cli.keys.key_files import KeyFilesError, Ring, add_index_key, add_key, drop_index_key, drop_key, use_index_key
from cli.keys.renewal import AddressRenewal
from cli.keys.stores import (
    Store,
    count_old_dead_letters,
    find_foreign_keys,
    list_encrypted_stores,
    list_hash_stores,
    list_message_stores,
)
from cli.options import DatabaseStack, Yes
from cli.output import confirm, fail, say
from cli.progress import build_bars
from cli.settings import RotationSettings, read_installation_settings
from cli.stacks import DATABASE_URL
from shared.encryption import BlindIndexKey, EncryptionError

# A process with only the old ring keeps encrypting with it; without a limit rotation would never end.
MAX_PASSES = 3
T = TypeVar("T")

Folder = Annotated[Path, typer.Argument(help="Folder created by `kreisfunk secrets`.")]
OfRing = Annotated[
    Ring, typer.Option("--ring", help="Of citizens' addresses, of subscriptions' dead letters, or of the newsroom.")
]
MAY_DROP = "Has `kreisfunk keys status` permitted this?"


class RingRules(NamedTuple):
    """Users of a ring, the step after a new key, and the question before the older ones are dropped."""

    users: str
    after_adding: str
    before_dropping: str


RINGS: Mapping[Ring, RingRules] = {
    Ring.ADDRESSES: RingRules("dispatcher and ingress", "then run `kreisfunk keys rotate`", MAY_DROP),
    Ring.DEAD_LETTERS: RingRules(
        "subscriptions",
        "and drop the older ones after `dead_letter_days`",
        "Have `dead_letter_days` passed since subscriptions was restarted with the newest one?",
    ),
    Ring.NEWSROOM: RingRules(
        "the newsroom",
        "and drop the older ones once everybody has set up their one-time codes again",
        "Has everybody set up their one-time codes again?",
    ),
}
keys = typer.Typer(no_args_is_help=True)


@keys.command()
def add(folder: Folder, ring: OfRing = Ring.ADDRESSES) -> None:
    """Add a new key to a ring. Then restart its users, one replica after the other."""
    version = _change_key_files(lambda path: add_key(path, ring), folder)
    say(f"version {version} added; restart {RINGS[ring].users}, {RINGS[ring].after_adding}")


@keys.command()
def rotate(stack: DatabaseStack = None) -> None:
    """Encrypt all stored addresses with the newest key, while everything runs. May be interrupted and repeated.

    Exit status: 0 nothing is encrypted with an older key any more, 1 something is, 2 settings missing, 4 database
    unavailable or role refused.
    """
    settings = _read_settings(stack)
    stores = list_encrypted_stores(settings.ring)
    result = _run_on_database(settings, lambda connection: _rotate_stores(connection, stores, "encrypted again"))
    say(f"everything is encrypted with version {max(settings.ring.keys)}: {result}")


@keys.command()
def drop(folder: Folder, ring: OfRing = Ring.ADDRESSES, yes: Yes = False) -> None:
    """Drop all keys of a ring but the newest, once nothing needs them. Then restart its users."""
    loss = "Data stored under an older key is lost for good."
    ask = partial(_confirm_loss, loss, RINGS[ring].before_dropping, yes)
    version = _change_key_files(lambda path: drop_key(path, ring, ask), folder)
    say(f"version {version} is the only one; restart {RINGS[ring].users}")


@keys.command()
def add_index(folder: Folder) -> None:
    """Add a new index key, which is used for lookups only. Then restart every ingress, and use it."""
    version = _change_key_files(add_index_key, folder)
    say(f"index key {version} added; restart every ingress, then run `kreisfunk keys use-index`")


@keys.command()
def use_index(folder: Folder) -> None:
    """Write with the new index key, once every ingress has it. Then restart every ingress, and rotate."""
    version = _change_key_files(use_index_key, folder)
    say(f"index key {version} writes; restart every ingress, then run `kreisfunk keys rotate-index`")


@keys.command()
def rotate_index(stack: DatabaseStack = None) -> None:
    """Rewrite all stored hashes with the new index key, while everything runs. May be interrupted and repeated.

    Exit status: 0 no older hash is left, 1 some are, 2 settings missing, 4 database unavailable or role refused.
    """
    settings = _read_settings(stack)
    index = _require_index_in_use(settings)
    stores = list_hash_stores(index, settings.ring)

    async def rotate_unless_blocked(connection: asyncpg.Connection) -> str:
        if (await count_old_dead_letters(connection, index))[1]:
            problem = "Some dead letters have the older hash only: their sender would not be found."
            fail(problem, "Handle them with `kreisfunk dead-letters`, then run it again.")
        messages = list_message_stores(AddressRenewal(settings.ring, index))
        return await _rotate_stores(connection, (*stores, *messages), "lifted")

    result = _run_on_database(settings, rotate_unless_blocked)
    say(f"everything has hashes of index key {index.version}: {result}")


@keys.command("status")
def show_status(stack: DatabaseStack = None) -> None:
    """Report whether older keys may be dropped: exit status 0 if so, 1 if one may not or none is the database's.

    What is on queues, in the quarantine or encrypted in dead letters may need an older key, too, and is not counted.
    After a restore, no message is handled and sending is not resumed until this ends with 0.
    """
    settings = _read_settings(stack)
    _run_on_database(settings, lambda connection: _report_status(connection, settings))


@keys.command()
def drop_index(folder: Folder, yes: Yes = False) -> None:
    """Drop the older index key, once `kreisfunk keys status` permits it. Then restart every ingress."""
    ask = partial(_confirm_loss, "Citizens stored under the older index key can no longer be found.", MAY_DROP, yes)
    version = _change_key_files(lambda path: drop_index_key(path, ask), folder)
    say(f"index key {version} is the only one; restart every ingress")


def _change_key_files(change: Callable[[Path], int], folder: Path) -> int:
    try:
        return change(folder)
    except (KeyFilesError, EncryptionError, OSError) as error:
        fail(str(error))


def _confirm_loss(loss: str, question: str, yes: bool) -> None:
    confirm(f"{loss} {question}", yes=yes, otherwise=loss)


def _read_settings(stack: Path | None) -> RotationSettings:
    return read_installation_settings(RotationSettings, stack, DATABASE_URL, lambda local: local.rotation)


def _require_index_in_use(settings: RotationSettings) -> BlindIndexKey:
    index = settings.index
    if any(len(other) > len(index.key) for other in index.others):
        fail("The new index key does not write yet.", "Run `kreisfunk keys use-index` and restart every ingress.")
    return index


async def _report_status(connection: asyncpg.Connection, settings: RotationSettings) -> None:
    """Report which keys may be dropped, and confirm the keys after a restore.

    Ends the command if an older key is still needed, or if the keys are not those of the database.
    """
    outdated = {store.name: await store.count_left(connection) for store in list_encrypted_stores(settings.ring)}
    _report_remaining(outdated, "an older encryption key", "Run `kreisfunk keys rotate`.")
    if len(settings.ring.keys) > 1:
        say("`kreisfunk keys drop` may follow, if nothing older is on queues, in the quarantine or in dead letters")
    index = _require_index_in_use(settings)
    stores = list_hash_stores(index, settings.ring)
    hashed = {store.name: await store.count_left(connection) for store in stores}
    hashed["dead letters"] = (await count_old_dead_letters(connection, index))[0]
    _report_remaining(hashed, "an older index key", "Run `kreisfunk keys rotate-index`; replay or drop dead letters.")
    if index.others:
        say("`kreisfunk keys drop-index` may follow, `feedback_days` after `use-index`: strangers' feedback needs it")
    if foreign := await find_foreign_keys(connection, settings.ring, index):
        fail(f"These keys are not those of the database: {foreign}.", "Unpack the secrets that belong to it.")
    await connection.execute("select dispatcher.confirm_keys()")
    say("the keys are those of the database, and no older one is needed in it")


def _report_remaining(counts: Mapping[str, int], key: str, advice: str) -> None:
    for name, count in counts.items():
        say(f"{name}: {count} under {key}")
    if any(counts.values()):
        fail(f"{key.capitalize()} is still needed.", advice)


def _run_on_database(settings: RotationSettings, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    return run_on_database(settings, "keys", work, role="the role kreisfunk_rotation")


async def _rotate_stores(connection: asyncpg.Connection, stores: Sequence[Store], verb: str) -> str:
    """Return the number of renewed rows and the time taken, as text."""
    started, renewed = time.monotonic(), 0
    for _ in range(MAX_PASSES):
        with build_bars() as bars:
            counts = [await _rotate_store(connection, store, bars, verb) for store in stores]
        fresh, unreadable = (sum(column) for column in zip(*counts, strict=True))
        renewed += fresh
        if unreadable:
            problem = f"{unreadable} addresses or messages have a key that is not in the ring."
            fail(problem, "Add the old keys and run it again.")
        if not fresh:
            break
    else:
        problem = "A process still encrypts with an older key, or an older index key."
        fail(problem, "Restart every dispatcher and every ingress, then run it again.")
    return f"{renewed} {verb} in {time.monotonic() - started:.1f} s"


async def _rotate_store(connection: asyncpg.Connection, store: Store, bars: Progress, verb: str) -> tuple[int, int]:
    renewed = unreadable = 0
    total = await store.count_outdated(connection)
    task = bars.add_task(store.name, total=total)
    async for read, new, failed in store.rotate(connection):
        renewed, unreadable = renewed + new, unreadable + failed
        bars.update(task, advance=read)
    bars.update(task, completed=total)
    if renewed:
        say(f"{store.name}: {renewed} {verb}")
    return renewed, unreadable
