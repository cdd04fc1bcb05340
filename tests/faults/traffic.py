"""Traffic during faults: broadcasts with actions on them, messages of citizens, and an operator."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cli.progress import wait_for
from simulator.client import SimulatorClient
from tests.faults.citizen_traffic import START, START_PER_SECOND, CitizenGroups, CitizenTraffic
from tests.faults.fault_types import HELD_BACK_CODE
from tests.faults.ledger_snapshot import KNOWN, UNSENT, LedgerProbes
from tests.faults.notice_traffic import NoticeGenerator, NoticePlan, PublishedNotice
from tests.faults.operator_actions import FaultOperator

BSUID_SHARE = 0.05
STALL_TIMEOUT_SECONDS = 90.0
POLL_INTERVAL_SECONDS = 0.5
# WhatsApp permits one message per person every six seconds.
BROADCAST_INTERVAL_SECONDS = 7.0
UNSENT_SHARE = 0.35
ACTION_DELAY_SECONDS = 2.0
PAUSED_SECONDS = 4.0
KNOWN_TIMEOUT_SECONDS = 30.0


@dataclass
class FaultTraffic:
    simulator: SimulatorClient
    publisher: NoticeGenerator
    operator: FaultOperator
    probes: LedgerProbes
    seed: int
    say: Callable[[str], None]
    talk: CitizenTraffic = field(init=False)
    _citizens: int = 0
    _last: float = 0.0

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.talk = CitizenTraffic(self.simulator, CitizenGroups(), chance)

    @property
    def groups(self) -> CitizenGroups:
        return self.talk.groups

    async def subscribe_all(self, count: int) -> None:
        """Subscribe all citizens and wait until each was sent the welcome message, before any fault."""
        self.say(f'{count} citizens send "Start"')
        everybody = await self.simulator.add_citizens(count, bsuid_only=int(count * BSUID_SHARE))
        await self.simulator.send_text(everybody, START, per_second=START_PER_SECOND)
        await wait_for("welcomed", count, self.simulator.count_accepted, patience=STALL_TIMEOUT_SECONDS)
        random.Random(self.seed).shuffle(everybody)
        self._citizens, self.talk.groups = count, CitizenGroups.split(everybody)

    async def run(self, per_second: float) -> None:
        """Run until cancelled; `per_second` citizens write per second."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_broadcasts())
            tasks.create_task(self.talk.run(per_second))
            tasks.create_task(self.operator.run(HELD_BACK_CODE))

    async def _publish_broadcasts(self) -> None:
        """Publish the next broadcast, bulk or urgent, as soon as few deliveries of earlier ones are unsent."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
            unsent = await self.probes.count(UNSENT)
            is_rested = time.monotonic() - self._last > BROADCAST_INTERVAL_SECONDS
            if unsent is not None and is_rested and unsent <= UNSENT_SHARE * self._citizens:
                published, plan = await self.publisher.publish()
                self._last = time.monotonic()
                await self._apply_plan(published, plan)

    async def _apply_plan(self, published: PublishedNotice, plan: NoticePlan) -> None:
        """Apply the planned actions to a notice while it is being sent."""
        actions: tuple[tuple[bool, Callable[[], Awaitable[object]]], ...] = (
            (plan.is_paused, lambda: self.operator.pause(published.notice, PAUSED_SECONDS)),
            (plan.is_withdrawn, lambda: self.publisher.withdraw(published.notice)),
            (plan.is_cancelled, lambda: self.operator.cancel(published.notice)),
            (plan.is_corrected, lambda: self._publish_correction(published, plan)),
        )
        for is_planned, run_action in actions:
            if is_planned:
                await asyncio.sleep(ACTION_DELAY_SECONDS)
                await run_action()

    async def _publish_correction(self, published: PublishedNotice, plan: NoticePlan) -> None:
        """Publish a correction once the earlier notice is known; before that it would be rejected."""
        deadline = time.monotonic() + KNOWN_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if await self.probes.count(KNOWN, published.notice):
                await self.publisher.publish_correction(published, plan)
                return
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
