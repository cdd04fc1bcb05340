"""Measure the archive and the newsroom's pages, compared with a bare aiohttp page of the same size."""

import argparse
import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import aiohttp

from benchmarks.harness import Row, Table, leave_tested_core
from benchmarks.load import Tally, run_closed_loop, run_open_loop
from benchmarks.newsroom.harness import NewsroomHarness, open_newsroom_harness, run_bare_page
from benchmarks.newsroom.rows import count_transactions
from deploy.local.ports import LOOPBACK

ARCHIVE_PATHS = ("/", "/?thema=baustellen&gemeinde=Worpswede", "/meldung/0000-0001", "/meldungen.rss", "/anmelden")
WARM_UP_SECONDS = 1.0
SETTLE_SECONDS = 12.0  # an idle connection reports its transactions after 10 s
MIN_VIEWING_SECONDS = 30.0  # in less, a single run of autovacuum would count as a transaction a second
OLD_ACTS = "/protokoll?vor=1000"  # old entries of the log
HEADERS = "Accept-Encoding: gzip"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newsroom", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=int, default=1000, help="requests a second to the archive, whatever comes back")
    parser.add_argument("--requests", type=int, default=300, help="requests to each page of the newsroom")
    parser.add_argument("--broadcasts", type=int, default=1_000)
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    return parser.parse_args()


async def measure_archive(harness: NewsroomHarness, options: argparse.Namespace) -> None:
    """Measure each path under full load, then by the clock."""
    table = Table(f"The archive, {options.connections} connections that are always busy")
    size = await _measure_size(harness.archive_port, "/")
    async with run_bare_page(harness.folder, size) as port:
        table.add({"page": "bare aiohttp", **await _measure_load(harness, port, "/", options)})
    for path in ARCHIVE_PATHS:
        table.add({"page": f"`{path}`", **await _measure_load(harness, harness.archive_port, path, options)})
    print(f"\n### The archive, {options.rate} requests a second by the clock, all pages in turn\n")
    requests = [_build_request(path) for path in ARCHIVE_PATHS]
    before = await count_transactions(harness.database)
    tally = await run_open_loop(harness.archive_port, requests, rate=options.rate, seconds=options.seconds)
    transactions = await count_transactions(harness.database) - before
    await asyncio.sleep(options.seconds)
    idle = await count_transactions(harness.database) - before - transactions
    print(_format_times(tally), f"; refused: {tally.refused}", sep="")
    print(f"transactions a second: {transactions / options.seconds:.1f}, without visitors {idle / options.seconds:.1f}")


async def _measure_load(harness: NewsroomHarness, port: int, path: str, options: argparse.Namespace) -> Row:
    requests = [_build_request(path)]
    await run_closed_loop(port, requests, connections=options.connections, seconds=WARM_UP_SECONDS)
    before = await count_transactions(harness.database)
    tally = await run_closed_loop(port, requests, connections=options.connections, seconds=options.seconds)
    transactions = await count_transactions(harness.database) - before
    if tally.refused:
        raise SystemExit(f"{path}: {tally.refused} answers were not 200")
    return {
        "bytes": await _measure_size(port, path),
        "requests a second": tally.answered / options.seconds,
        "median ms": 1000 * tally.compute_percentile(0.5),
        "99 %": 1000 * tally.compute_percentile(0.99),
        "transactions a second": transactions / options.seconds,
    }


async def measure_pages(harness: NewsroomHarness, options: argparse.Namespace) -> None:
    """Measure every page in the newsroom's navigation, one request after the other."""
    table = Table(f"Pages of the newsroom, {options.requests} requests one after the other")
    async with aiohttp.ClientSession(cookies={"kreisfunk-session": harness.cookie}) as session:
        for path in await _list_pages(session, harness):
            tally, size = Tally(), 0
            for _ in range(options.requests):
                size = await _measure_request(session, f"http://{LOOPBACK}:{harness.port}{path}", tally)
            median, p99 = (1000 * tally.compute_percentile(share) for share in (0.5, 0.99))
            table.add({"page": f"`{path}`", "bytes": size, "median ms": median, "99 %": p99})


async def _list_pages(session: aiohttp.ClientSession, harness: NewsroomHarness) -> Sequence[str]:
    async with session.get(f"http://{LOOPBACK}:{harness.port}/profil") as response:
        links = re.findall(r'<li><a href="(/[^"]*)"', await response.text())
    return list(dict.fromkeys(["/profil", *links, OLD_ACTS]))


async def _measure_request(session: aiohttp.ClientSession, url: str, tally: Tally) -> int:
    started = time.perf_counter()
    async with session.get(url, allow_redirects=False) as response:
        body = await response.read()
    tally.record(started, ok=response.status == 200)
    if tally.refused:
        raise SystemExit(f"{url} answers {response.status}")
    return len(body)


def _build_request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{HEADERS}\r\n\r\n".encode()


async def _measure_size(port: int, path: str) -> int:
    async with (
        aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as session,
        session.get(f"http://{LOOPBACK}:{port}{path}") as response,
    ):
        return len(await response.read())


def _format_times(tally: Tally) -> str:
    shares = ", ".join(f"{share:.0%} {1000 * tally.compute_percentile(share):.1f} ms" for share in (0.5, 0.95, 0.99))
    return f"{tally.answered} answers: {shares}, longest {max(tally.times) * 1000:.1f} ms"


async def measure_viewers(harness: NewsroomHarness, options: argparse.Namespace) -> None:
    """Count the transactions while 1 and 100 browsers watch a broadcast live."""
    broadcast = await harness.database.fetchval(
        "update newsroom.broadcast set finished_at = null where id = md5('broadcast1')::uuid returning id"
    )
    url = f"http://{LOOPBACK}:{harness.port}/aussendungen/{broadcast}/strom"
    table = Table("Live progress")
    for viewers in (1, 100):
        connector = aiohttp.TCPConnector(limit=viewers)
        async with (
            aiohttp.ClientSession(cookies={"kreisfunk-session": harness.cookie}, connector=connector) as session,
            AsyncExitStack() as streams,
        ):
            for _ in range(viewers):
                stream = await streams.enter_async_context(session.get(url))
                await stream.content.readline()
            await asyncio.sleep(SETTLE_SECONDS)
            seconds = max(options.seconds, MIN_VIEWING_SECONDS)
            before = await count_transactions(harness.database)
            await asyncio.sleep(seconds)
            transactions = await count_transactions(harness.database) - before
        table.add({"browsers": str(viewers), "transactions a second": transactions / seconds})


PARTS = {"archive": measure_archive, "pages": measure_pages, "viewers": measure_viewers}


async def main() -> None:
    options = parse_arguments()
    leave_tested_core()
    async with open_newsroom_harness(broadcasts=options.broadcasts, subscribers=options.subscribers) as harness:
        for name in options.part or PARTS:
            await PARTS[name](harness, options)


if __name__ == "__main__":
    asyncio.run(main())
