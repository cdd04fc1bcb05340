"""A running system with a newsroom, whose citizens have all subscribed, and two editors."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cli.demo.ledger_reader import open_ledger_reader
from deploy.local.process import Child, Command
from deploy.local.stack import Stack, run_stack
from services.newsroom.domain.accounts import Role
from simulator.client import SimulatorClient, open_simulator_client
from tests.contract_recorder.follower import follow_stack
from tests.databases import FreshDatabase
from tests.e2e.notices.harness import (
    CITIZENS,
    RATE,
    UNLIMITED,
    AcceptedLog,
    has_everybody_once,
    subscribe_everybody,
)
from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing import WritingHarness
from tests.servers import connect_to_database, fetch_until, wait_until_equal

SETTINGS = {
    "dispatcher": {"KREISFUNK_REQUEST_TIMEOUT_SECONDS": "2", "KREISFUNK_DISPATCHERS": "2"},
    "simulator": UNLIMITED,
}
BOTH = (Role.EDITOR, Role.APPROVER)
# After a fault on a busy machine, when servers have to start first.
PATIENCE = 180


@dataclass(frozen=True, kw_only=True)
class EditorialSystem:
    """`accepted` is the judge of what was sent."""

    stack: Stack = field(repr=False)
    simulator: SimulatorClient = field(repr=False)
    accepted: AcceptedLog = field(repr=False)
    newsroom: NewsroomProcess = field(repr=False)
    anna: WritingHarness
    ben: WritingHarness

    async def publish(self, **changes: str) -> str:
        """Written by one, approved and published by the other; the draft's path."""
        path = await self.approve(**changes)
        assert (await self.ben.act(path, "veroeffentlichen")).status == 303
        return path

    async def approve(self, **changes: str) -> str:
        """The path of a draft that may be published."""
        path = await self.anna.begin(**changes)
        assert (await self.anna.act(path, "einreichen")).status == 303
        assert (await self.ben.act(path, "freigeben")).status == 303
        return path

    async def follow(self, path: str, browser: EditorBrowser | None = None) -> str:
        """The path of the broadcast that a published draft leads to in the end."""
        open_page = partial((browser or self.anna.browser).open, path)
        return (
            await fetch_until(open_page, lambda page: page.location.startswith("/aussendungen/"), PATIENCE)
        ).location

    async def wait_for_text(self, path: str, text: str) -> str:
        return await fetch_until(partial(self.anna.read, path), lambda shown: text in shown, PATIENCE)

    async def count_subscribed(self) -> int:
        async with open_ledger_reader(self.stack.monitor_database_url) as ledger:
            return await ledger.count_subscribed()

    async def wait_until_subscribed(self, count: int) -> None:
        await wait_until_equal(self.count_subscribed, count, PATIENCE)

    async def wait_for_everybody(self, text: str) -> None:
        """Everybody has it, and nobody has it twice."""
        find = partial(self.accepted.find, text)
        assert has_everybody_once(await fetch_until(find, lambda found: len(found) >= CITIZENS, PATIENCE))


@asynccontextmanager
async def run_editorial_system(folder: Path, rate: int = RATE) -> AsyncIterator[EditorialSystem]:
    async with AsyncExitStack() as ends:
        await ends.enter_async_context(follow_stack(folder))
        stack = await ends.enter_async_context(
            run_stack(folder, dispatchers=2, newsrooms=1, messages_per_second=rate, settings=SETTINGS)
        )
        simulator = await ends.enter_async_context(open_simulator_client(stack.simulator_url, stack.control_token))
        async with open_ledger_reader(stack.monitor_database_url) as ledger:
            await subscribe_everybody(simulator, ledger)
        owner = await ends.enter_async_context(connect_to_database(stack.database_url))
        newsroom = NewsroomProcess(
            url=stack.newsroom_url,
            archive_url=stack.archive_url,
            internal_url="",
            database=FreshDatabase(name="", url=stack.database_url),
            # The supervisor has the process; this one is never started.
            child=Child(Command(name="newsroom", arguments=(), log=folder, environment={})),
            owner=owner,
        )
        members = [await newsroom.add_member(*BOTH) for _ in range(2)]
        browsers = [await ends.enter_async_context(newsroom.open_browser(member)) for member in members]
        anna, ben = [WritingHarness(browser=browser) for browser in browsers]
        accepted = AcceptedLog(simulator)
        yield EditorialSystem(
            stack=stack, simulator=simulator, accepted=accepted, newsroom=newsroom, anna=anna, ben=ben
        )
