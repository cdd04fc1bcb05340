"""Composition root: builds the parts and their web application, and runs them until a stop is requested."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import aiohttp
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from simulator.access import check_control, protect
from simulator.account import MessageLog
from simulator.citizens import load_citizens
from simulator.clock import StallWatch, Timeline, make_anchored_clock
from simulator.control.citizens import CitizenControl
from simulator.control.run import RunControl
from simulator.faults import ActiveFaults
from simulator.graph.access import GraphAccess
from simulator.graph.routes import GraphRoutes
from simulator.graph.setup_routes import SetupRoutes
from simulator.graph.templates import Templates
from simulator.page.routes import build_routes as build_page_routes
from simulator.parts import SimulatorParts
from simulator.phones import Phones
from simulator.settings import Settings
from simulator.webhooks.batches import WebhookEnvelope
from simulator.webhooks.notifier import Notifier
from simulator.webhooks.outbox import WebhookOutbox
from simulator.webhooks.subscription import WebhookSubscription

MAX_BODY_BYTES = 4 * 1024 * 1024
KEEPALIVE_TIMEOUT_SECONDS = 75
SHUTDOWN_TIMEOUT_SECONDS = 5

log = logging.getLogger(__name__)


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Run until `stopping` is set, then post the remaining webhooks."""
    async with run_simulator(settings, stopping) as url:
        log.info("listening on %s; the phones are at / (token in the fragment)", url)
        await stopping.wait()
        log.info("stopping")


@asynccontextmanager
async def run_simulator(settings: Settings, stopping: asyncio.Event) -> AsyncIterator[str]:
    """Run a simulator, and yield its URL; on exit stop accepting requests first, then post the waiting webhooks."""
    templates = Templates([]) if settings.new_account else Templates.load(settings.templates_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        parts = _build_parts(settings, templates, session, stopping)
        control = CitizenControl(parts)
        runner = web.AppRunner(
            _build_application(parts, control),
            access_log=None,
            keepalive_timeout=KEEPALIVE_TIMEOUT_SECONDS,
            shutdown_timeout=SHUTDOWN_TIMEOUT_SECONDS,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.listen_host, settings.listen_port)
            await site.start()
            async with _run_background(parts):
                yield f"http://{settings.listen_host}:{site.port}"
                stopping.set()
                await control.stop()
                await runner.cleanup()
                await _drain(parts)
        finally:
            await runner.cleanup()


@asynccontextmanager
async def _run_background(parts: SimulatorParts) -> AsyncIterator[None]:
    """Run timeline, outbox and stall watch; if one of them dies, so does the process."""
    async with asyncio.TaskGroup() as tasks:
        jobs = (parts.timeline.run(), parts.notifier.outbox.run(), parts.stall_watch.run())
        workers = [tasks.create_task(job) for job in jobs]
        yield
        for worker in workers:
            worker.cancel()


async def _drain(parts: SimulatorParts) -> None:
    parts.timeline.finish()
    with suppress(TimeoutError):
        async with asyncio.timeout(parts.settings.drain_seconds):
            await parts.notifier.outbox.drain()
    if parts.notifier.outbox.pending:
        log.warning("stopped with %d webhook updates not accepted", parts.notifier.outbox.pending)


def _build_parts(
    settings: Settings, templates: Templates, session: aiohttp.ClientSession, stopping: asyncio.Event
) -> SimulatorParts:
    clock = make_anchored_clock()
    faults, timeline = ActiveFaults(), Timeline(clock)
    subscription = WebhookSubscription(
        callback_url=None if settings.new_account else str(settings.webhook_url),
        account_subscribed=not settings.new_account,
    )
    outbox = WebhookOutbox(
        session=session,
        subscription=subscription,
        secret=settings.app_secret.get_secret_value().encode(),
        envelope=WebhookEnvelope(
            account_id=settings.waba_id,
            phone_number_id=settings.phone_number_id,
            display_phone_number=settings.display_phone_number,
        ),
    )
    return SimulatorParts(
        settings=settings,
        clock=clock,
        session=session,
        stopping=stopping,
        templates=templates,
        citizens=load_citizens(settings.phones_file, settings.phones),
        message_log=MessageLog(),
        faults=faults,
        stall_watch=StallWatch(clock),
        phones=Phones(),
        timeline=timeline,
        notifier=Notifier(clock=clock, faults=faults, timeline=timeline, outbox=outbox, subscription=subscription),
        subscription=subscription,
    )


def _build_application(parts: SimulatorParts, citizen_control: CitizenControl) -> web.Application:
    """Build Graph API, control API, page, probes and metrics of the process; its event streams end at the shutdown."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    access = GraphAccess(parts.settings)
    check = partial(check_control, parts.settings.control_token.get_secret_value())
    app.add_routes(SetupRoutes(parts, access).build_routes())
    app.add_routes(GraphRoutes(parts, access).build_routes())
    app.add_routes(build_page_routes())
    for route in (*citizen_control.build_routes(), *RunControl(parts).build_routes()):
        app.router.add_route(route.method, route.path, protect(route.handler, check))
    app.router.add_get("/metrics", make_aiohttp_handler())

    async def answer_live(_: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def answer_ready(_: web.Request) -> web.Response:
        stopping = parts.stopping.is_set()
        return web.Response(text="stopping\n" if stopping else "ready\n", status=503 if stopping else 200)

    async def close_streams(_: web.Application) -> None:
        parts.stopping.set()
        parts.phones.close()

    app.router.add_get("/livez", answer_live)
    app.router.add_get("/readyz", answer_ready)
    app.on_shutdown.append(close_streams)
    return app
