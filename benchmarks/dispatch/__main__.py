"""Benchmarks of the dispatcher: throughput against the limit and peers, rate, urgent lane, ledger, cost, memory."""

import argparse
import asyncio

from benchmarks.dispatch.harness import open_harness
from benchmarks.dispatch.ledger import run_ledger
from benchmarks.dispatch.rate import run_rate, run_urgent
from benchmarks.dispatch.statuses import run_life
from benchmarks.dispatch.throughput import run_memory, run_throughput

PARTS = {
    "throughput": run_throughput,
    "rate": run_rate,
    "urgent": run_urgent,
    "ledger": run_ledger,
    "life": run_life,
    "memory": run_memory,
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case, in turn; medians count")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--no-peers", action="store_true", help="throughput: only ours and the limit")
    return parser.parse_args()


async def main() -> None:
    options = parse_arguments()
    for name in options.part or PARTS:
        async with open_harness() as harness:
            await PARTS[name](harness, options)


if __name__ == "__main__":
    asyncio.run(main())
