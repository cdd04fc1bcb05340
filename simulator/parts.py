"""The objects that all routes share."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp

from simulator.account import MessageLog
from simulator.citizens import Citizens
from simulator.clock import Clock, StallWatch, Timeline
from simulator.faults import ActiveFaults
from simulator.graph.templates import Templates
from simulator.identifiers import generate_serials
from simulator.phones import Phones
from simulator.settings import Settings
from simulator.webhooks.notifier import Notifier
from simulator.webhooks.subscription import WebhookSubscription


@dataclass(kw_only=True, frozen=True)
class SimulatorParts:
    """One of each per simulator."""

    settings: Settings
    clock: Clock
    session: aiohttp.ClientSession
    stopping: asyncio.Event
    templates: Templates
    citizens: Citizens
    message_log: MessageLog
    faults: ActiveFaults
    stall_watch: StallWatch
    phones: Phones
    timeline: Timeline
    notifier: Notifier
    subscription: WebhookSubscription
    serials: Iterator[str] = field(default_factory=generate_serials)
