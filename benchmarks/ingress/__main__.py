"""Compare the ingress with HTTP alone and with one confirmed publish for each webhook."""

import argparse
import asyncio
import secrets

from benchmarks.ingress.harness import NAMES, IngressHarness
from benchmarks.ingress.latency import measure_latency
from benchmarks.ingress.queue import declare_peers_queue
from benchmarks.ingress.throughput import measure_throughput
from benchmarks.machine import leave_tested_core
from benchmarks.servers import create_folder, run_broker

PARTS = {"throughput": measure_throughput, "latency": measure_latency}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingress", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--servers", choices=NAMES, nargs="+", default=NAMES, help="only these")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case, in turn; medians count")
    group = parser.add_argument_group("throughput")
    group.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    group.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    group.add_argument("--statuses", type=int, nargs="+", default=[1, 10, 100], help="statuses in each webhook")
    group = parser.add_argument_group("latency")
    group.add_argument("--rate", type=int, default=1000, help="webhooks a second, whatever comes back")
    group.add_argument("--open-seconds", type=float, default=10.0, help="length of each measurement")
    return parser.parse_args()


async def main() -> None:
    options = parse_arguments()
    leave_tested_core()  # the broker inherits it
    with create_folder() as folder:
        async with run_broker(folder) as broker:
            harness = IngressHarness(broker_url=broker.url, secret=secrets.token_hex(16), folder=folder)
            await declare_peers_queue(broker.url)
            for name in options.part or PARTS:
                await PARTS[name](harness, options)


if __name__ == "__main__":
    asyncio.run(main())
