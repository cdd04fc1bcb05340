"""The whole system at the highest rate of a number, alone and with a synchronous standby; a ledger of ten million rows.

Meanwhile citizens write, and all statuses arrive. If a rate is not held, lower ones are tried.
"""

import argparse
import asyncio

from benchmarks.system import ledger
from benchmarks.system.load import find_held_rate

PARTS = ("load", "replicated", "ledger")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.system", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--rate", type=int, default=1000, help="the number's limit in messages a second")
    parser.add_argument("--seconds", type=int, default=600, help="length of each measurement of the load")
    parser.add_argument("--citizens", type=int, default=10_000, help="number of subscribers")
    parser.add_argument("--writing", type=int, default=100, help="citizens' messages per second")
    parser.add_argument("--dispatchers", type=int, default=2, help="replicas of the dispatcher")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 10_000_000], help="sizes of the ledger")
    return parser.parse_args()


async def main() -> None:
    options = parse_arguments()
    for part in options.part or PARTS:
        if part == "ledger":
            await ledger.run(options.rows)
        else:
            await find_held_rate(options, replicated=part == "replicated")


if __name__ == "__main__":
    asyncio.run(main())
