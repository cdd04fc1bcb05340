"""Benchmarks of the dispatcher: throughput beside the limit and peers, rate, urgent lane, ledger, cost, memory."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from benchmarks.dispatch import ledger, life, memory, rate, throughput, urgent
from benchmarks.dispatch.harness import DispatchHarness, Options, open_harness

PARTS: Mapping[str, Callable[[DispatchHarness, Options], Awaitable[object]]] = {
    "throughput": throughput.run,
    "rate": rate.run,
    "urgent": urgent.run,
    "ledger": ledger.run,
    "life": life.run,
    "memory": memory.run,
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one short round of everything: does it work?")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case, in turn; medians count")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--no-peers", action="store_true", help="throughput: only ours and the limit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser.parse_args()


async def main() -> None:
    given = parse_arguments()
    options = Options(
        rounds=1 if given.quick else given.rounds,
        seconds=2.0 if given.quick else given.seconds,
        quick=given.quick,
        peers=not given.no_peers,
    )
    figures: dict[str, object] = {}
    for name in given.part or PARTS:
        async with open_harness() as stand:
            figures[name] = await PARTS[name](stand, options)
        if given.json:
            given.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
