"""A fault ends however its time ends."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from deploy.local.stack import Stack
from simulator.client import SimulatorClient
from tests.faults.fault_types import FaultAction, FaultType
from tests.faults.injector import FaultInjector
from tests.faults.plan import Fault
from tests.faults.proxies import Proxies
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, Proxy

SLOW = NetworkConditions(latency_seconds=1.0)


class WatchedProxy(Proxy):
    """Signals that its conditions were changed."""

    def __init__(self) -> None:
        super().__init__([])
        self.disturbed = asyncio.Event()

    def set_conditions(self, conditions: NetworkConditions) -> None:
        super().set_conditions(conditions)
        self.disturbed.set()


@dataclass
class RecordingSimulator:
    """Knows the faults and the tier that were set last, and which faults were in force at each webhook."""

    faults: Mapping[str, object] = field(default_factory=dict)
    tier: int | None = None
    limited: asyncio.Event = field(default_factory=asyncio.Event)
    reports: list[tuple[str, object, object]] = field(default_factory=list)

    async def set_faults(self, faults: Mapping[str, object]) -> None:
        self.faults = faults

    async def report_account_change(self, name: str, value: Mapping[str, object]) -> None:
        self.reports.append((name, value, self.faults))

    async def set_tier(self, people_a_day: int | None) -> None:
        self.tier = people_a_day
        self.limited.set()


async def test_a_cancelled_fault_is_in_force_no_more() -> None:
    proxy, simulator = WatchedProxy(), RecordingSimulator()
    proxies = Proxies({("dispatcher-1", "graph"): proxy})
    injector = FaultInjector(
        cast("Stack", SimpleNamespace()), proxies, cast("SimulatorClient", simulator), 1, 10, lambda _: None
    )
    kinds = (
        FaultType("slow", FaultAction.NETWORK, (), network=SLOW, disturbance={"latency_seconds": 1.0}),
        FaultType("full", FaultAction.TIER, ()),
    )
    faults = [Fault(0.0, kind, "dispatcher-1/graph", 3600.0) for kind in kinds]
    following = asyncio.create_task(injector.follow_plan(faults))
    async with asyncio.timeout(5):
        await proxy.disturbed.wait()
        await simulator.limited.wait()
    assert (proxy.conditions, simulator.tier) == (SLOW, 10)
    assert simulator.faults == {"seed": 1, "latency_seconds": 1.0}
    following.cancel()
    await asyncio.wait([following])
    assert (proxy.conditions, simulator.faults, simulator.tier) == (UNDISTURBED_NETWORK, {"seed": 1}, None)


async def test_the_business_is_told_before_it_is_refused() -> None:
    simulator, refused = RecordingSimulator(), {"reject_share": 1.0}
    stack = cast("Stack", SimpleNamespace())
    injector = FaultInjector(stack, Proxies(), cast("SimulatorClient", simulator), 1, 10, lambda _: None)
    event = {"event": "PARTNER_REMOVED"}
    removed = FaultType("removed", FaultAction.META, (), disturbance=refused, account_update=event)
    await injector.follow_plan([Fault(0.0, removed, "simulator", 0.0)])
    assert simulator.reports == [("account_update", event, {})]
    assert simulator.faults == {"seed": 1}
