"""Search for leaks at the end of a run."""

import asyncio
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from deploy.local.stack import Stack
from shared.amqp.topology import EVENTS, INBOUND
from shared.contracts.events import FeedbackReceived
from shared.contracts.message import AddressKind
from shared.encryption import BlindIndexKey
from simulator.client import SimulatorClient
from tests.faults.leaks.pii_patterns import PatternGroup, PiiKind, PiiValues, build_pattern_groups
from tests.faults.leaks.recorder import MESSAGES, METRICS
from tests.faults.leaks.scan_targets import find_log_files, search_file, search_queues, search_tables
from tests.faults.leaks.scanner import Leak, exclude_kinds

# Files of messages that have to contain citizens' texts. Numbers, ids and names are allowed nowhere.
TEXTS_ALLOWED = (f"{INBOUND} messages", f"{EVENTS} {FeedbackReceived.KEY}")


async def collect_pii_values(
    simulator: SimulatorClient, texts: Sequence[str], erased: Collection[int], key: BlindIndexKey
) -> PiiValues:
    """Return all personal values of the simulator's citizens, their texts, and the hashes of the `erased` ones."""
    values = await simulator.fetch_personal_values()
    erased_citizens = [citizen for citizen in await simulator.list_citizens() if citizen["id"] in erased]
    return PiiValues(
        phones=tuple(values["phones"]),
        user_ids=tuple(values["user_ids"]),
        message_ids=tuple(values["message_ids"]),
        names=tuple(values["names"]),
        texts=tuple(texts),
        erased=tuple(index for citizen in erased_citizens for index in _compute_indexes(citizen, key)),
    )


async def search(stack: Stack, secrets: PiiValues, say: Callable[[str], None]) -> tuple[list[Leak], dict[str, int]]:
    """Search all logs, metrics, messages, queues and tables; return the leaks and the amount searched.

    Deletes the recorded messages afterwards.
    """
    groups, files, queues = (
        build_pattern_groups(secrets),
        list(_list_files(stack.folder)),
        await _fetch_queue_types(stack),
    )
    amounts = {
        "values": sum(len(values) for values in vars(secrets).values()),
        "files": len(files),
        "megabytes_in_files": sum(path.stat().st_size for path in files) // 1_000_000,
        "queues": len(queues),
    }
    say(f"searching {len(files)} files, {len(queues)} queues and all tables for {amounts['values']} personal values")
    leaks = await asyncio.to_thread(
        lambda: [leak for path in files for leak in _search_in_file(path, stack.folder, groups)]
    )
    leaks += await search_queues(stack.broker_url, queues, groups)
    leaks += await search_tables(stack.database_url, groups)
    shutil.rmtree(stack.folder / MESSAGES, ignore_errors=True)
    return leaks, amounts


def _compute_indexes(citizen: Mapping[str, str], key: BlindIndexKey) -> Iterator[bytes]:
    yield key.compute_index(AddressKind.USER, citizen["user_id"])
    if citizen["sharing"] == "phone":
        yield key.compute_index(AddressKind.PHONE, citizen["phone"])


def read_index_key(folder: Path) -> BlindIndexKey:
    return BlindIndexKey.parse((folder / "secrets" / "ingress" / "kreisfunk_index_key").read_text())


def _list_files(folder: Path) -> Iterator[Path]:
    yield from find_log_files(folder)
    yield from sorted((folder / METRICS).iterdir())
    yield from sorted((folder / MESSAGES).iterdir())


def _search_in_file(path: Path, folder: Path, groups: Sequence[PatternGroup]) -> list[Leak]:
    allowed = {PiiKind.TEXT} if path.parent.name == MESSAGES and path.name in TEXTS_ALLOWED else ()
    return search_file(path, f"file {path.relative_to(folder)}", exclude_kinds(groups, allowed))


async def _fetch_queue_types(stack: Stack) -> dict[str, str]:
    """Return the types of all queues by name, except exclusive ones, which only their own connection may read."""
    listing = ("list_queues", "name", "type", "exclusive", "--formatter", "json")
    queues = json.loads(await stack.servers.rabbitmq.run_rabbitmqctl(*listing))
    return {queue["name"]: queue["type"] for queue in queues if not queue["exclusive"]}
