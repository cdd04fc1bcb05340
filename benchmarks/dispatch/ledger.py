"""Part `ledger`: speed of its statements, and a flood of statuses during a broadcast."""

import asyncio
import json
import sys

from benchmarks import table
from benchmarks.dispatch import statuses
from benchmarks.dispatch.harness import DispatchHarness, Options
from benchmarks.machine import TESTED_CORE


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the tables and return their figures."""
    statements = await _measure_statements(harness, 2_000 if options.quick else 20_000)
    return {"statements": statements, "statuses": await statuses.run(harness, options)}


async def _measure_statements(harness: DispatchHarness, deliveries: int) -> dict[str, float]:
    table.print_header(f"Ledger: rows per second on one connection, {deliveries:,} deliveries", ("statement", "rows/s"))
    figures = await run_statements(harness, deliveries)
    for title, rate in figures.items():
        table.print_row((title, f"{rate:,.0f}"))
    return figures


async def run_statements(harness: DispatchHarness, deliveries: int) -> dict[str, float]:
    """Run the statements in a process of its own on the tested core; return rows per second of each."""
    module = (
        "-m",
        "benchmarks.dispatch.pinned",
        str(TESTED_CORE),
        sys.executable,
        "-m",
        "benchmarks.dispatch.statements",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, *module, harness.database_url, str(deliveries), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("the statements failed")
    figures: dict[str, float] = json.loads(output)
    return figures
