"""Part `ledger`: what its statements can do, and a storm of statuses beside a running broadcast."""

import asyncio
import json
import sys

from benchmarks.dispatch import statuses, table
from benchmarks.dispatch.machine import TESTED_CORE
from benchmarks.dispatch.settings import Options
from benchmarks.dispatch.stand import Stand


async def run(stand: Stand, options: Options) -> object:
    """Print the tables and return their figures."""
    statements = await _statements(stand, 2_000 if options.quick else 20_000)
    return {"statements": statements, "statuses": await statuses.run(stand, options)}


async def _statements(stand: Stand, deliveries: int) -> dict[str, float]:
    """In a process of its own on the tested core."""
    table.start(f"Ledger: rows per second on one connection, {deliveries:,} deliveries", ("statement", "rows/s"))
    module = (
        "-m",
        "benchmarks.dispatch.pinned",
        str(TESTED_CORE),
        sys.executable,
        "-m",
        "benchmarks.dispatch.statements",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, *module, stand.database_url, str(deliveries), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("the statements failed")
    figures: dict[str, float] = json.loads(output)
    for title, rate in figures.items():
        table.row((title, f"{rate:,.0f}"))
    return figures
