"""Faults that take more than a signal: a frozen process, a backup, a replica with a wrong key."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from cli.database import UNAVAILABLE
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Supervisor
from deploy.local.services import Service
from deploy.secrets import generate_key_ring

# A week so old that retention has to drop it at once, whatever its period.
OLD_WEEK = datetime(2020, 1, 6, tzinfo=UTC)
WRONG_KEY_NAME = "dispatcher-with-a-wrong-key"
POLL_INTERVAL_SECONDS = 0.5
STOP_TIMEOUT_SECONDS = 5.0
_MAKE_OLD_WEEK = f"""
create table if not exists dispatcher.delivery_{OLD_WEEK:%Y%m%d} partition of dispatcher.delivery
for values from (dispatcher.lowest_id('{OLD_WEEK}')) to (dispatcher.lowest_id('{OLD_WEEK + timedelta(weeks=1)}'))
"""
_TABLES = """
select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables where schemaname = 'dispatcher'
"""


@contextmanager
def freeze(pid: int) -> Iterator[None]:
    """Suspend the process and all its descendants (SIGSTOP) while the context is open."""
    _send_signal_to_tree(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        _send_signal_to_tree(pid, signal.SIGCONT)


def _send_signal_to_tree(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has just ended
            for child in file.read_text().split():
                _send_signal_to_tree(int(child), number)


@asynccontextmanager
async def hold_backup_locks(url: str) -> AsyncIterator[None]:
    """Hold ACCESS SHARE on every table of the ledger, as pg_dump does, while an old week is due; `url` is the owner's.

    Raises OSError or asyncpg's errors if the database is unavailable; if it fails later, the locks are lost.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(_MAKE_OLD_WEEK)
        await connection.execute("begin")
        await connection.execute(f"lock table {await connection.fetchval(_TABLES)} in access share mode")
        yield
    finally:
        with suppress(*UNAVAILABLE):
            await connection.close(timeout=5)


async def run_wrong_key_replica(supervisor: Supervisor, like: str, seconds: float) -> bool:
    """Run another dispatcher for `seconds` beside the replica `like`, as after a rotation that missed a machine.

    Return whether it ever reported ready.
    """
    with _prepare_replica(supervisor, like) as replica:
        await replica.launch()
        was_ready = False
        try:
            async with asyncio.timeout(seconds):
                while True:
                    was_ready |= await replica.is_ready()
                    await asyncio.sleep(POLL_INTERVAL_SECONDS)
        except TimeoutError:
            return was_ready
        finally:
            await replica.stop(STOP_TIMEOUT_SECONDS)


@contextmanager
def _prepare_replica(supervisor: Supervisor, like: str) -> Iterator[Service]:
    original = supervisor.find(like)
    assert isinstance(original, Service)
    with reserve_ports(1) as (port,):
        environment = {
            **original.command.environment,
            "KREISFUNK_ENCRYPTION_KEYS": generate_key_ring(secrets.token_bytes),
            "KREISFUNK_INTERNAL_PORT": str(port),
        }
        log = original.command.log.with_name(f"{WRONG_KEY_NAME}.log")
        command = replace(original.command, name=WRONG_KEY_NAME, environment=environment, log=log)
        yield Service(command, f"http://{LOOPBACK}:{port}/readyz")
