"""The one probe of all replicas goes to one that has something to send."""

import asyncio
from typing import Any, cast
from unittest.mock import patch

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from services.dispatcher.domain.send_results import ConnectedLate
from services.dispatcher.handlers.sender import MAX_PROBE_ATTEMPTS, Sender
from tests.unit.dispatcher.test_send_loop import PausedRow, ProbingSender, SlowLanes, SpareLanes
from tests.unit.dispatcher.test_sender import SayingGraph
from tests.unit.dispatcher.virtual_time import build_loop, run_virtually

NOTHING: Any = None
PROBES = 5


def test_a_replica_without_work_leaves_the_probe_to_one_with_a_message() -> None:
    """It asks for the slot first each time."""

    async def probe_often() -> tuple[int, int]:
        row, busy, idle = PausedRow(), ProbingSender(), ProbingSender()
        loops = [build_loop(SlowLanes(), row, idle), build_loop(SpareLanes(), row, busy)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(loop.run(0)) for loop in loops]
            for loop in loops:
                loop._paused_since = asyncio.get_running_loop().time()
            await asyncio.sleep(PROBE_DELAY_SECONDS * (PROBES + 0.5))
            for loop in loops:
                loop.stop()
            await asyncio.gather(*running)
        return len(busy.probes), len(idle.probes)

    assert run_virtually(probe_often()) == (PROBES, 0)


class RecordedClaims:
    """Lanes that get back what was not sent."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.claims: list[Claim] = []

    def put_back(self, claim: Claim) -> None:
        self.claims.append(claim)


@pytest.mark.parametrize(("paused", "sent"), [(True, MAX_PROBE_ATTEMPTS), (False, 1)])
async def test_a_probe_whose_connection_came_late_leaves_at_another_slot_unless_nobody_sends(
    paused: bool, sent: int
) -> None:
    graph, lanes, meter = SayingGraph(ConnectedLate()), RecordedClaims(), Metrics(CollectorRegistry(), limit=10)
    sender = Sender(cast(Any, graph), cast(Any, lanes), NOTHING, NOTHING, NOTHING, meter, max_requests=10, timeout=20)
    claim = cast(Claim, object())
    with patch.object(Sender, "_may_leave", return_value=True):
        await sender.probe(claim, paused=paused)
    assert (graph.sent, lanes.claims) == (sent, [claim])
