"""A running system whose citizens have all subscribed."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.demo.books import OurBooks, open_books
from cli.demo.figures import Outbound
from cli.demo.simulator import Simulator, open_simulator
from deploy.local.environments import CONFIG
from deploy.local.stack import Stack, local_stack
from tests.integration.cli.commands import kreisfunk_here
from tests.servers import PATIENCE_SECONDS, wait_for
from tests.tap.reading import Tap, tapped

CITIZENS = 120
RATE = 40
SETTINGS = {"dispatcher": {"KREISFUNK_REQUEST_TIMEOUT_SECONDS": "2"}}
TOPIC = "strassensperrungen"


@dataclass(frozen=True, kw_only=True)
class Town:
    """`simulator` is the judge of what was sent, `books` know what waits."""

    stack: Stack
    tap: Tap
    simulator: Simulator
    books: OurBooks

    async def kreisfunk(self, *arguments: str) -> dict[str, Any]:
        """A command that must succeed, with its JSON."""
        ended = await kreisfunk_here(*arguments, "--stack", str(self.stack.folder), "--json", environment={})
        assert ended.status == 0, ended.everything
        return ended.json

    async def publish(self, text: str, *options: str) -> tuple[str, float]:
        """The broadcast's id, and when the notice's acceptance was known."""
        notice = ("publish", "--topic", TOPIC, "--headline", "L 149", "--text", text)
        accepted = await self.kreisfunk(*notice, *options)
        return accepted["broadcast"], time.time()

    async def shown(self, broadcast: str) -> dict[str, Any]:
        """What an operator is shown, once the ledger knows of it."""
        where = ("--stack", str(self.stack.folder), "--json")

        async def known() -> bool:
            return (await kreisfunk_here("broadcasts", "show", broadcast, *where, environment={})).status == 0

        await wait_for(known)
        return await self.kreisfunk("broadcasts", "show", broadcast)

    async def settle_unknown(self, broadcast: str) -> None:
        """What is unknown is sent again, which is right if its statuses would be here by now."""
        settle = ("unknown", "settle", "--broadcast", broadcast, "--as", "resend", "--yes")
        ended = await kreisfunk_here(*settle, "--stack", str(self.stack.folder), environment={})
        assert ended.status in (0, 3), ended.everything

    async def got(self, text: str) -> list[Outbound]:
        """What Meta accepted of a broadcast, in order."""
        return [message for message in await self.simulator.outbound() if message.template and text in message.text]

    async def until_got(self, text: str, count: int, seconds: float = PATIENCE_SECONDS) -> None:
        async def enough() -> bool:
            return len(await self.got(text)) >= count

        await wait_for(enough, seconds)

    async def until_settled(self, *broadcasts: str, seconds: float = 90) -> None:
        """Nobody waits any more for news of these."""

        async def settled() -> bool:
            shown = [await self.shown(broadcast) for broadcast in broadcasts]
            return all(one["books"]["complete"] and not one["books"]["waiting"] for one in shown)

        await wait_for(settled, seconds)


def everybody_once(messages: Sequence[Outbound]) -> bool:
    citizens = [message.citizen for message in messages]
    return len(citizens) == len(set(citizens)) == CITIZENS


def accounted(books: dict[str, int]) -> bool:
    parts = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown", "waiting")
    return books["audience"] == sum(books[part] for part in parts) and books["unaccounted"] == 0


@asynccontextmanager
async def running_town(
    folder: Path, *, county: Path = CONFIG / "county.toml", rate: int = RATE, count: int = CITIZENS
) -> AsyncIterator[Town]:
    """Where `count` citizens have subscribed to everything."""
    async with AsyncExitStack() as ends:
        stack = await ends.enter_async_context(
            local_stack(folder, dispatchers=2, messages_per_second=rate, settings=SETTINGS, county=county)
        )
        town = Town(
            stack=stack,
            tap=await ends.enter_async_context(tapped(stack.broker_url, stack.broker_api_url)),
            simulator=await ends.enter_async_context(open_simulator(stack.simulator_url, stack.control_token)),
            books=await ends.enter_async_context(open_books(stack.monitor_database_url)),
        )
        citizens = await town.simulator.add_citizens(count, bsuid_only=count // 12)
        await town.simulator.write(citizens, "Start", per_second=200)

        async def subscribed() -> bool:
            return await town.books.subscribed() == count

        await wait_for(subscribed)
        yield town
