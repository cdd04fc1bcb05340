"""Puts the parts together and runs them until asked to stop."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from simulator.account import Account
from simulator.application import Parts, application, citizen_control
from simulator.clock import anchored_clock
from simulator.events import Hub
from simulator.faults import FaultBox
from simulator.graph.templates import Templates
from simulator.memory import recalled_citizens
from simulator.phones import Phones
from simulator.settings import Settings
from simulator.stalls import StallWatch
from simulator.timeline import Timeline
from simulator.webhooks.batches import Envelope
from simulator.webhooks.notifier import Notifier
from simulator.webhooks.outbox import Outbox

KEEPALIVE_SECONDS = 75
OPEN_REQUESTS_SECONDS = 5

log = logging.getLogger(__name__)


@dataclass(kw_only=True, frozen=True)
class Simulator:
    """A running simulator; `url` is where it listens."""

    url: str
    parts: Parts


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Runs until `stopping`, then hands over the last webhooks."""
    async with running(settings, stopping) as simulator:
        log.info("listening on %s; the phones are at / (token in the fragment)", simulator.url)
        await stopping.wait()
        log.info("stopping")


@asynccontextmanager
async def running(settings: Settings, stopping: asyncio.Event) -> AsyncIterator[Simulator]:
    """A simulator that answers; on leaving it stops accepting first, then posts what waits."""
    templates = Templates.from_file(settings.templates_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        parts = _parts(settings, templates, session, stopping)
        control = citizen_control(parts)
        runner = web.AppRunner(
            application(parts, control),
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=OPEN_REQUESTS_SECONDS,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.listen_host, settings.listen_port)
            await site.start()
            async with _background(parts):
                yield Simulator(url=f"http://{settings.listen_host}:{site.port}", parts=parts)
                stopping.set()
                await control.stop()
                await runner.cleanup()
                await _drain(parts)
        finally:
            await runner.cleanup()


@asynccontextmanager
async def _background(parts: Parts) -> AsyncIterator[None]:
    """Timeline and outbox at work; if one of them dies, so does the process."""
    async with asyncio.TaskGroup() as tasks:
        work = (parts.timeline.run(), parts.notifier.outbox.run(), parts.stall_watch.run())
        workers = [tasks.create_task(one) for one in work]
        yield
        for worker in workers:
            worker.cancel()


async def _drain(parts: Parts) -> None:
    parts.timeline.finish()
    with suppress(TimeoutError):
        async with asyncio.timeout(parts.settings.drain_seconds):
            await parts.notifier.outbox.drained()
    if parts.notifier.outbox.pending:
        log.warning("stopped with %d webhook updates not taken", parts.notifier.outbox.pending)


def _parts(settings: Settings, templates: Templates, session: aiohttp.ClientSession, stopping: asyncio.Event) -> Parts:
    clock = anchored_clock()
    faults, hub, timeline = FaultBox(), Hub(), Timeline(clock)
    outbox = _outbox(settings, session)
    return Parts(
        settings=settings,
        clock=clock,
        session=session,
        stopping=stopping,
        templates=templates,
        citizens=recalled_citizens(settings.phones_file, settings.phones),
        account=Account(),
        faults=faults,
        stall_watch=StallWatch(clock),
        hub=hub,
        phones=Phones(hub),
        timeline=timeline,
        notifier=Notifier(clock=clock, faults=faults, timeline=timeline, outbox=outbox),
    )


def _outbox(settings: Settings, session: aiohttp.ClientSession) -> Outbox:
    return Outbox(
        session=session,
        url=str(settings.webhook_url),
        secret=settings.app_secret.get_secret_value().encode(),
        envelope=Envelope(
            account_id=settings.waba_id,
            phone_number_id=settings.phone_number_id,
            display_phone_number=settings.display_phone_number,
        ),
        concurrency=settings.webhook_concurrency,
        linger_seconds=settings.webhook_linger_seconds,
        most_updates=settings.webhook_batch,
    )
