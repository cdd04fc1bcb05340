"""The search at the end of a run."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
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

# Here a citizen's own words have to pass. Numbers, ids and names have nowhere to be.
TEXTS_PASS = (f"{INBOUND} messages", f"{EVENTS} {FeedbackReceived.KEY}")


async def secrets_of(simulator: Simulator, texts: Sequence[str]) -> Secrets:
    """Everything personal that the simulator's citizens ever had, and what they wrote."""
    used = await simulator.personal()
    return Secrets(
        phones=tuple(used["phones"]),
        user_ids=tuple(used["user_ids"]),
        message_ids=tuple(used["message_ids"]),
        names=tuple(used["names"]),
        texts=tuple(texts),
    )


async def search(stack: Stack, secrets: Secrets, say: Callable[[str], None]) -> list[Leak]:
    """All logs, metrics, messages, queues and tables. What was kept for the search is deleted afterwards."""
    wanted = groups(secrets)
    say(f"searching logs, metrics, messages and tables for {_count(secrets)} personal values")
    found = await asyncio.to_thread(lambda: list(_in_files(stack.folder, wanted)))
    queues = await _queue_names(stack)
    found += await search_queues(stack.broker_url, queues, wanted)
    found += await search_tables(stack.database_url, wanted)
    shutil.rmtree(stack.folder / MESSAGES, ignore_errors=True)
    return found


def _count(secrets: Secrets) -> int:
    return sum(len(values) for values in vars(secrets).values())


def _in_files(folder: Path, wanted: Sequence[Group]) -> Iterator[Leak]:
    for path in log_files(folder):
        yield from search_file(path, f"log {path.relative_to(folder)}", wanted)
    for path in sorted((folder / METRICS).iterdir()):
        yield from search_file(path, f"metrics of {path.name}", wanted)
    for path in sorted((folder / MESSAGES).iterdir()):
        allowed = {Kind.TEXT} if path.name in TEXTS_PASS else ()
        yield from search_file(path, f"messages to {path.name}", without(wanted, allowed))


async def _queue_names(stack: Stack) -> list[str]:
    """All but those that belong to one connection, which nobody else may read."""
    url = URL(stack.broker_url)
    headers = {"Authorization": aiohttp.encode_basic_auth(url.user or "", url.password or "")}
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.get(f"{stack.broker_api_url}/api/queues/%2F") as response,
    ):
        return sorted(queue["name"] for queue in await response.json() if not queue.get("exclusive"))
