"""Compare the ingress with HTTP alone and with one confirmed publish for each webhook."""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.ingress.environment import peers_python
from benchmarks.ingress.load import load
from benchmarks.ingress.queue import declare_topology, drain
from deploy.local.ports import LOOPBACK, reserved_ports
from deploy.local.process import Child, Command, port_is_open, wait_until_ready
from deploy.local.rabbitmq import local_rabbitmq

REPOSITORY = Path(__file__).parents[2]
PEERS = ("fastapi", "pywa")
NAMES = ("bare", "dry", "each", "ours", *PEERS)
TITLES = {
    "bare": "aiohttp that only answers 200",
    "dry": "the ingress without publishing",
    "each": "one confirmed aio-pika publish per webhook",
    "fastapi": "FastAPI, one confirmed publish per status",
    "pywa": "pywa (answers before it publishes)",
    "ours": "Kreisfunk ingress (group commit)",
}
WARM_UP_SECONDS = 1.0
CORES = os.sched_getaffinity(0)
SERVER_CORE = min(CORES)
NUMBER_ID = "700800900100200"


@dataclass(frozen=True)
class Round:
    """One server at one number of connections."""

    rate: float
    processor: float
    p99: float
    events_per_message: float


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingress", description=__doc__)
    parser.add_argument("--broker", help="AMQP URL of an administrator; else a broker of our own is started")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case, in turn; medians count")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--statuses", type=int, nargs="+", default=[1, 10, 100], help="statuses in each webhook")
    return parser.parse_args()


def requests(secret: str, statuses: int) -> list[bytes]:
    """Signed webhooks, each about other messages."""
    return [_request(_body(number, statuses), secret) for number in range(512)]


def _body(number: int, statuses: int) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4947919300", "phone_number_id": NUMBER_ID},
        "contacts": [{"profile": {"name": "A"}, "wa_id": "491760406900001", "user_id": "DE.40100200300400500"}],
        "statuses": [
            {
                "id": f"wamid.{number:020}{item:06}",
                "status": "delivered",
                "timestamp": "1794300000",
                "recipient_id": "491760406900001",
                "biz_opaque_callback_data": f"01a1cee1-01d8-85e4-ada8-{number:06}{item:06}",
            }
            for item in range(statuses)
        ],
    }
    entry = {"id": "100200300400500", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _request(body: bytes, secret: str) -> bytes:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def environment(broker_url: str, secret: str, port: int, internal_port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(port),
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
        "KREISFUNK_APP_SECRETS": secret,
        "KREISFUNK_VERIFY_TOKEN": secrets.token_hex(16),
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
        "KREISFUNK_SEALING_KEYS": f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "KREISFUNK_INDEX_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


async def _program(name: str, port: int) -> tuple[str, ...]:
    if name in PEERS:
        return str(await peers_python()), "-m", f"benchmarks.ingress.peers.with_{name}"
    module = ("services.ingress",) if name == "ours" else ("benchmarks.ingress.servers", name, str(port))
    return sys.executable, "-m", *module


@asynccontextmanager
async def running(name: str, broker_url: str, secret: str, log: Path) -> AsyncIterator[tuple[int, Child]]:
    """A server and its port; it has the first core for itself."""
    with reserved_ports(2) as (port, internal_port):
        command = Command(
            name=name,
            arguments=await _program(name, port),
            log=log,
            environment=environment(broker_url, secret, port, internal_port),
            folder=REPOSITORY,
        )
        child = Child(command)
        await child.start()
        try:
            await wait_until_ready(child, lambda: port_is_open(LOOPBACK, port), seconds=30)
            if child.pid:
                os.sched_setaffinity(child.pid, {SERVER_CORE})
            yield port, child
        finally:
            await child.stop()


async def measure(
    name: str, broker_url: str, secret: str, connections: int, statuses: int, options: argparse.Namespace, log: Path
) -> Round:
    """One round; fails if an event of an answered webhook is not on the queue."""
    webhooks = requests(secret, statuses)
    async with running(name, broker_url, secret, log) as (port, child):
        warm = await load(port, webhooks, connections=connections, seconds=WARM_UP_SECONDS)
        before = processor_seconds(child)
        tally = await load(port, webhooks, connections=connections, seconds=options.seconds)
        processor = (processor_seconds(child) - before) / max(tally.answered, 1)
    events, messages = await drain(broker_url)
    answered = (warm.answered + tally.answered) * statuses
    if tally.refused or (name in ("each", "ours") and events < answered):
        raise SystemExit(f"{name}: {tally.refused} refused, {answered} events answered, {events} stored")
    rate = tally.answered / options.seconds
    return Round(rate, processor, tally.percentile(0.99), events / messages if messages else 0)


def processor_seconds(child: Child) -> float:
    """What the process has used so far: a machine that does other things besides changes it less than the rate."""
    times = psutil.Process(child.pid).cpu_times()
    return times.user + times.system


async def compare(broker_url: str, options: argparse.Namespace, folder: Path) -> None:
    secret = secrets.token_hex(16)
    await declare_topology(broker_url)
    await drain(broker_url)
    for statuses in options.statuses:
        print(f"\n### One process on one core, {statuses} status(es) a webhook, median of {options.rounds}\n")
        print(
            "| connections | server | webhooks/s | of bare | of dry | of each | CPU µs | p99 ms | events per message |"
        )
        print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
        for connections in options.connections:
            print_rows(connections, await _rounds(broker_url, secret, connections, statuses, options, folder))


async def _rounds(
    broker_url: str, secret: str, connections: int, statuses: int, options: argparse.Namespace, folder: Path
) -> dict[str, list[Round]]:
    """All servers in turn, again and again."""
    rounds: dict[str, list[Round]] = {name: [] for name in NAMES}
    for _ in range(options.rounds):
        for name in NAMES:
            log = folder / f"{name}.log"
            rounds[name].append(await measure(name, broker_url, secret, connections, statuses, options, log))
    return rounds


def print_rows(connections: int, rounds: Mapping[str, list[Round]]) -> None:
    rates = {name: statistics.median(it.rate for it in rounds[name]) for name in NAMES}
    for name in NAMES:
        p99 = statistics.median(it.p99 for it in rounds[name]) * 1000
        together = statistics.median(it.events_per_message for it in rounds[name])
        processor = statistics.median(it.processor for it in rounds[name]) * 1e6
        ratios = (f"{median_ratio(rounds[name], rounds[other]):.2f}" for other in ("bare", "dry", "each"))
        print(
            f"| {connections} | {TITLES[name]} | {rates[name]:,.0f} | {' | '.join(ratios)} | {processor:.0f} "
            f"| {p99:.1f} | {f'{together:.1f}' if together else '–'} |",
            flush=True,
        )


def median_ratio(these: list[Round], those: list[Round]) -> float:
    """Of the rounds that ran next to each other, since the machine's speed changes between rounds."""
    return statistics.median(this.rate / that.rate for this, that in zip(these, those, strict=True))


async def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="kreisfunk-benchmark-") as name:
        folder = Path(name)
        if len(CORES) > 1:
            os.sched_setaffinity(0, CORES - {SERVER_CORE})  # the broker inherits it
        if options.broker:
            await compare(options.broker, options, folder)
        else:
            async with local_rabbitmq(folder / "broker", secrets.token_hex(16)) as broker:
                await compare(broker.url, options, folder)


if __name__ == "__main__":
    asyncio.run(main())
