"""A running system whose citizens have all subscribed."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.demo.ledger_reader import LedgerReader, open_ledger_reader
from deploy.local.stack import Stack, run_stack
from deploy.paths import ROOT
from simulator.client import AcceptedMessage, SimulatorClient, open_simulator_client
from tests.contract_recorder.recorder import ContractRecorder, record_contracts
from tests.harness.commands import run_in_process
from tests.servers import connect_to_database, fetch_until, wait_for, wait_until_equal

GUIDE = ROOT / "docs" / "integration.md"
CITIZENS = 120
RATE = 400
# Meta's limit for one person would make the same citizens wait for minutes, as they get what all tests send.
UNLIMITED = {"SIMULATOR_PAIR_INTERVAL_SECONDS": "0"}
SETTINGS = {"dispatcher": {"KREISFUNK_REQUEST_TIMEOUT_SECONDS": "2"}, "simulator": UNLIMITED}
TOPIC = "strassensperrungen"


@dataclass(frozen=True)
class AcceptedLog:
    """Messages that Meta accepted, in order; known ones are not requested again."""

    simulator: SimulatorClient
    _known: list[AcceptedMessage] = field(default_factory=list)

    async def fetch(self) -> Sequence[AcceptedMessage]:
        self._known.extend(await self.simulator.fetch_outbound(len(self._known)))
        return self._known

    async def find(self, text: str) -> list[AcceptedMessage]:
        """Those of a broadcast."""
        return [message for message in await self.fetch() if message.template and text in message.text]


@dataclass(frozen=True, kw_only=True)
class SteeringHarness:
    """`accepted` is the judge of what was sent; `county` is the county's file."""

    stack: Stack
    recorder: ContractRecorder
    simulator: SimulatorClient
    accepted: AcceptedLog
    county: Path

    @asynccontextmanager
    async def send_slowly(self, per_second: float) -> AsyncIterator[None]:
        """Meanwhile a broadcast lasts longer than a command, on a busy machine, too."""
        await self._limit(per_second)
        yield
        await self._limit(RATE)

    async def _limit(self, per_second: float) -> None:
        async with connect_to_database(self.stack.database_url) as owner:
            await owner.execute("update dispatcher.rate set ceiling = $1, per_second = $1", per_second)

    async def run_kreisfunk(self, *arguments: str) -> dict[str, Any]:
        """A command that must succeed, with its JSON."""
        ended = await run_in_process(*arguments, "--stack", str(self.stack.folder), "--json", environment={})
        assert ended.status == 0, ended.everything
        return ended.json

    async def publish(self, text: str, *options: str) -> tuple[str, float]:
        """The broadcast's id, and when the notice's acceptance was known."""
        notice = ("publish", "--topic", TOPIC, "--headline", "L 149", "--text", text)
        accepted = await self.run_kreisfunk(*notice, *options)
        return accepted["broadcast"], time.time()

    async def show_broadcast(self, broadcast: str) -> dict[str, Any]:
        """Return what an operator is shown, once the ledger knows of it."""
        where = ("--stack", str(self.stack.folder), "--json")
        await fetch_until(
            lambda: run_in_process("broadcasts", "show", broadcast, *where, environment={}),
            lambda found: found.status == 0,
        )
        return await self.run_kreisfunk("broadcasts", "show", broadcast)

    async def settle_unknown(self, broadcast: str) -> None:
        """What is unknown is sent again, which is right if its statuses would be here by now."""
        settle = ("deliveries", "settle", "--broadcast", broadcast, "--as", "resend", "--yes")
        ended = await run_in_process(*settle, "--stack", str(self.stack.folder), environment={})
        assert ended.status in (0, 3), ended.everything

    async def wait_for_accepted(self, text: str, count: int) -> None:
        await fetch_until(lambda: self.accepted.find(text), lambda found: len(found) >= count)

    async def wait_until_settled(self, *broadcasts: str) -> None:
        """Nobody waits any more for news of these."""

        async def settled() -> bool:
            shown = [await self.show_broadcast(broadcast) for broadcast in broadcasts]
            return all(one["counts"]["complete"] and not one["counts"]["waiting"] for one in shown)

        await wait_for(settled, 90)


def has_everybody_once(messages: Sequence[AcceptedMessage]) -> bool:
    citizens = [message.citizen for message in messages]
    return len(citizens) == len(set(citizens)) == CITIZENS


def is_accounted(counts: dict[str, int]) -> bool:
    parts = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown", "waiting")
    return counts["audience"] == sum(counts[part] for part in parts) and counts["unaccounted"] == 0


@asynccontextmanager
async def run_steering_harness(folder: Path, county: Path) -> AsyncIterator[SteeringHarness]:
    """Run a system in which CITIZENS have subscribed to everything."""
    async with AsyncExitStack() as ends:
        stack = await ends.enter_async_context(
            run_stack(folder, dispatchers=2, messages_per_second=RATE, settings=SETTINGS, county=county)
        )
        recorder = await ends.enter_async_context(record_contracts(stack.broker_url, stack.broker_api_url))
        simulator = await ends.enter_async_context(open_simulator_client(stack.simulator_url, stack.control_token))
        async with open_ledger_reader(stack.monitor_database_url) as ledger:
            await subscribe_everybody(simulator, ledger)
        yield SteeringHarness(
            stack=stack, recorder=recorder, simulator=simulator, accepted=AcceptedLog(simulator), county=county
        )


async def subscribe_everybody(simulator: SimulatorClient, ledger: LedgerReader) -> None:
    citizens = await simulator.add_citizens(CITIZENS, bsuid_only=CITIZENS // 12)
    await simulator.send_text(citizens, "Start", per_second=200)
    await wait_until_equal(ledger.count_subscribed, CITIZENS)
