"""Encrypt a million addresses with a new key, optionally with a kill; compare with a raw update of the rows."""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Iterator
from uuid import UUID

import asyncpg

from benchmarks.harness import BenchmarkServers, run_servers
from deploy.local.environments import build_command_environments
from deploy.paths import ROOT
from deploy.secrets import generate_key
from shared.encryption import BlindIndexKey, KeyRing

POLL_INTERVAL_SECONDS = 0.1
_COPY = ("id", "sequence", "state", "phone_index", "phone_sealed")
_NEW = "select count(*) from subscriptions.subscriber where get_byte(phone_sealed, 0) = 2"
# Equal work for the database: as many bytes, in pages of the same size.
_RAW = """
    update subscriptions.subscriber t set phone_sealed = set_byte(t.phone_sealed, 0, 3)
    where id in (select id from subscriptions.subscriber where id > $1 order by id limit 5000) returning id
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--kill", action="store_true", help="kill the command in the middle and run it again")
    return parser.parse_args()


async def main() -> None:
    options = parse_arguments()
    async with run_servers() as servers:
        await _measure(servers, options.people, kill_at=options.people // 2 if options.kill else None)


async def _measure(servers: BenchmarkServers, people: int, kill_at: int | None) -> None:
    old, new = (f"{version}:{generate_key(secrets.token_bytes)}" for version in (1, 2))
    hashes = BlindIndexKey.parse(servers.read_secret("rotation/kreisfunk_index_key"))
    subscribers = _generate_subscribers(people, KeyRing.parse(old), hashes)
    owner = servers.owner
    await owner.copy_records_to_table("subscriber", schema_name="subscriptions", columns=_COPY, records=subscribers)
    await owner.execute("vacuum analyze subscriptions.subscriber")
    environment = {
        **build_command_environments(servers.stack)["rotation"],
        "KREISFUNK_ENCRYPTION_KEYS": f"{old},{new}",
    }
    seconds = await _rotate(environment, owner, kill_at)
    renewed = await owner.fetchval(_NEW)
    raw = await _measure_raw_update(owner)
    print(f"{renewed:,} of {people:,} addresses encrypted again in {seconds:.1f} s: {renewed / seconds:,.0f}/s")
    print(f"the update of as many rows alone: {raw:,.0f}/s")


def _generate_subscribers(count: int, ring: KeyRing, hashes: BlindIndexKey) -> Iterator[tuple[object, ...]]:
    for number in range(count):
        phone = f"49176040{number:07}"
        index = hashes.compute_index("phone", phone)
        sealed = ring.encrypt(phone.encode(), purpose="phone", index=index)
        yield UUID(int=number * 2**70 + 1), 1, "subscribed", index, sealed


async def _rotate(environment: dict[str, str], connection: asyncpg.Connection, kill_at: int | None) -> float:
    started = time.perf_counter()
    command = await _start(environment)
    if kill_at:
        while await connection.fetchval(_NEW) < kill_at:
            if command.returncode is not None:
                raise SystemExit("the command has ended early")
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
        command.kill()
        await command.wait()
        command = await _start(environment)
    if await command.wait():
        raise SystemExit("the command failed")
    return time.perf_counter() - started


async def _start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", "keys", "rotate", env={**os.environ, **environment}, cwd=ROOT
    )


async def _measure_raw_update(connection: asyncpg.Connection) -> float:
    position, rows, started = UUID(int=0), 0, time.perf_counter()
    while page := await connection.fetch(_RAW, position):
        position, rows = max(row["id"] for row in page), rows + len(page)
    return rows / (time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
