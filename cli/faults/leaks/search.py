"""The search at the end of a run."""

import asyncio
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import aiohttp
from yarl import URL

from cli.demo.simulator import Simulator
from cli.faults.leaks.needles import Group, Kind, Secrets, groups
from cli.faults.leaks.places import log_files, search_file, search_queues, search_tables
from cli.faults.leaks.sweep import Leak, without
from cli.faults.leaks.watching import MESSAGES, METRICS
from deploy.local.stack import Stack
from shared.amqp.topology import EVENTS, INBOUND
from shared.contracts.events import FeedbackReceived
from shared.contracts.message import AddressKind
from shared.sealing import IndexKey

# Here a citizen's own words have to pass. Numbers, ids and names have nowhere to be.
TEXTS_PASS = (f"{INBOUND} messages", f"{EVENTS} {FeedbackReceived.KEY}")


async def secrets_of(simulator: Simulator, texts: Sequence[str], erased: Collection[int], key: IndexKey) -> Secrets:
    """All that the simulator's citizens ever had, what they wrote, and the hashes of the `erased` ones."""
    used = await simulator.personal()
    gone = [citizen for citizen in await simulator.citizens() if citizen["id"] in erased]
    return Secrets(
        phones=tuple(used["phones"]),
        user_ids=tuple(used["user_ids"]),
        message_ids=tuple(used["message_ids"]),
        names=tuple(used["names"]),
        texts=tuple(texts),
        erased=tuple(index for citizen in gone for index in _indexes(citizen, key)),
    )


async def search(stack: Stack, secrets: Secrets, say: Callable[[str], None]) -> tuple[list[Leak], dict[str, int]]:
    """What is found in all logs, metrics, messages, queues and tables, and how much was looked through.

    What was kept for the search is deleted afterwards.
    """
    wanted, files, queues = groups(secrets), list(_files(stack.folder)), await _queue_types(stack)
    searched = {
        "values": sum(len(values) for values in vars(secrets).values()),
        "files": len(files),
        "megabytes_in_files": sum(path.stat().st_size for path in files) // 1_000_000,
        "queues": len(queues),
    }
    say(f"searching {len(files)} files, {len(queues)} queues and all tables for {searched['values']} personal values")
    found = await asyncio.to_thread(lambda: [leak for path in files for leak in _in_file(path, stack.folder, wanted)])
    found += await search_queues(stack.broker_url, queues, wanted)
    found += await search_tables(stack.database_url, wanted)
    shutil.rmtree(stack.folder / MESSAGES, ignore_errors=True)
    return found, searched


def _indexes(citizen: Mapping[str, str], key: IndexKey) -> Iterator[bytes]:
    yield key.index(AddressKind.USER, citizen["user_id"])
    if citizen["sharing"] == "phone":
        yield key.index(AddressKind.PHONE, citizen["phone"])


def index_key(folder: Path) -> IndexKey:
    """That of a stack."""
    return IndexKey.parse((folder / "secrets" / "ingress" / "kreisfunk_index_key").read_text())


def _files(folder: Path) -> Iterator[Path]:
    yield from log_files(folder)
    yield from sorted((folder / METRICS).iterdir())
    yield from sorted((folder / MESSAGES).iterdir())


def _in_file(path: Path, folder: Path, wanted: Sequence[Group]) -> list[Leak]:
    allowed = {Kind.TEXT} if path.parent.name == MESSAGES and path.name in TEXTS_PASS else ()
    return search_file(path, f"file {path.relative_to(folder)}", without(wanted, allowed))


async def _queue_types(stack: Stack) -> dict[str, str]:
    """All but those that belong to one connection, which nobody else may read."""
    url = URL(stack.broker_url)
    headers = {"Authorization": aiohttp.encode_basic_auth(url.user or "", url.password or "")}
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.get(f"{stack.broker_api_url}/api/queues/%2F") as response,
    ):
        return {queue["name"]: queue["type"] for queue in await response.json() if not queue.get("exclusive")}
