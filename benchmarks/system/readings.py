"""Readings of a running stack at one moment; the difference of two is the usage between them."""

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import asyncpg
import psutil

from deploy.local.stack import SIMULATOR, Stack
from tests.replicas.servers import ReplicatedServers

_UNUSED_SLOTS = re.compile(r'^kreisfunk_dispatcher_send_slots_unused_total\{reason="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass
class KindUsage:
    """Usage of all processes of one kind: processor seconds so far, and bytes now, shared pages counted once."""

    processes: int = 0
    processor: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Reading:
    """Counters at one moment; `unused` are the dispatchers' unused slots by reason."""

    at: float
    idle: float
    wal: int
    kinds: Mapping[str, KindUsage]
    unused: Mapping[str, float]


async def take_reading(stack: Stack, owner: asyncpg.Connection) -> Reading:
    unused = await _read_unused_slots(stack)
    wal = await owner.fetchval("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    return Reading(time.time(), psutil.cpu_times().idle, int(wal), _measure_kinds(stack), unused)


async def _read_unused_slots(stack: Stack) -> Mapping[str, float]:
    unused: dict[str, float] = defaultdict(float)
    async with aiohttp.ClientSession() as session:
        for url in (url for name, url in stack.metrics_urls.items() if name.startswith("dispatcher")):
            async with session.get(url) as response:
                for reason, slots in _UNUSED_SLOTS.findall(await response.text()):
                    unused[reason] += float(slots)
    return unused


def _measure_kinds(stack: Stack) -> Mapping[str, KindUsage]:
    kinds: dict[str, KindUsage] = defaultdict(KindUsage)
    for kind, pid in _list_processes(stack):
        kinds[kind].processes += 1
        for process in (main := psutil.Process(pid), *main.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a backend that has just ended; its parent includes its time
                # Its own time, and that of its ended children.
                kinds[kind].processor += sum(process.cpu_times()[:4])
                kinds[kind].memory += process.memory_full_info().pss
    return kinds


def _list_processes(stack: Stack) -> Iterator[tuple[str, int | None]]:
    """Yield kind and pid; the first database server is the primary, as none has failed."""
    for name in (*stack.metrics_urls, SIMULATOR):
        yield name.rstrip("-0123456789"), stack.supervisor.find(name).pid
    yield "postgres", stack.servers.postgres.pid
    for standby in stack.servers.database.members[1:] if isinstance(stack.servers, ReplicatedServers) else ():
        yield "postgres standby", standby.server.pid
