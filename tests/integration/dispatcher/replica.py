"""The send path of one replica, put together as in a service, with whatever stands for its neighbours."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.handlers import maintenance
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.pauses import Pauses
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.handlers.send_loop import SendLoop
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import LaneQueue, Ledger
from shared.contracts.message import Lane


@dataclass(frozen=True)
class Replica:
    lanes: Lanes
    recorder: Recorder
    loop: SendLoop

    async def find_work(self) -> None:
        """As a service does four times a second."""
        needed = defaultdict[str, asyncio.Event](asyncio.Event)
        await maintenance.find_work(self.lanes.ledger, self.lanes, needed)


def build_replica(
    ledger: Ledger, limiter: Any, graph: Any, queues: Mapping[Lane, LaneQueue], wake: asyncio.Event
) -> Replica:
    meter = Metrics(CollectorRegistry(), limit=100)
    recorder, pauses = Recorder(ledger, meter), Pauses(ledger, limiter, meter)
    lanes = Lanes(ledger=ledger, queues=queues, prepare=graph.prepare, wake=wake)
    sender = Sender(graph, lanes, pauses, limiter, recorder, meter, max_requests=100, timeout=20)
    return Replica(lanes, recorder, SendLoop(lanes=lanes, limiter=limiter, sender=sender, meter=meter))
