"""The simulator's web application: Graph API, control API, page, metrics and probes on one port."""

import asyncio
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from simulator.account import MessageLog
from simulator.citizens import Citizens
from simulator.clock import Clock
from simulator.control.access import require_token
from simulator.control.citizen_actions import CitizenActions
from simulator.control.citizens import CitizenControl
from simulator.control.run import RunControl
from simulator.events import EventHub
from simulator.faults import ActiveFaults
from simulator.graph.access import Access
from simulator.graph.content import ContentReader
from simulator.graph.media import MediaStore
from simulator.graph.messages import MessagesRoute
from simulator.graph.routes import GraphRoutes
from simulator.graph.sending import MessageAcceptor
from simulator.graph.setup_routes import SetupRoutes
from simulator.graph.templates import Templates
from simulator.metrics import SimulatorCollector, build_registry
from simulator.page.routes import build_routes as page_routes
from simulator.phones import Phones
from simulator.settings import Settings
from simulator.stalls import StallWatch
from simulator.timeline import Timeline
from simulator.webhooks.notifier import Notifier
from simulator.webhooks.subscription import WebhookSubscription

MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(kw_only=True, frozen=True)
class SimulatorParts:
    """The objects shared by all routes, one of each per simulator."""

    settings: Settings
    clock: Clock
    session: aiohttp.ClientSession
    stopping: asyncio.Event
    templates: Templates
    citizens: Citizens
    message_log: MessageLog
    faults: ActiveFaults
    stall_watch: StallWatch
    hub: EventHub
    phones: Phones
    timeline: Timeline
    notifier: Notifier
    subscription: WebhookSubscription


def build_application(parts: SimulatorParts, citizen_control: CitizenControl) -> web.Application:
    """Build the web application; its event streams end when it shuts down."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    token = parts.settings.control_token.get_secret_value()
    access = _build_access(parts.settings)
    app.add_routes(_build_setup_routes(parts, access).build_routes())
    app.add_routes(_build_graph_routes(parts, access).build_routes())
    app.add_routes(page_routes())
    for route in (*citizen_control.build_routes(), *_build_run_control(parts).build_routes()):
        app.router.add_route(route.method, route.path, require_token(token, route.handler))
    collector = SimulatorCollector(message_log=parts.message_log, citizens=parts.citizens, notifier=parts.notifier)
    app.router.add_get("/metrics", make_aiohttp_handler(build_registry(collector)))
    _add_probes(app, parts)
    return app


def _add_probes(app: web.Application, parts: SimulatorParts) -> None:
    async def live(_: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def ready(_: web.Request) -> web.Response:
        stopping = parts.stopping.is_set()
        return web.Response(text="stopping\n" if stopping else "ready\n", status=503 if stopping else 200)

    async def close_streams(_: web.Application) -> None:
        parts.stopping.set()
        parts.hub.close()

    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    app.on_shutdown.append(close_streams)


def _build_access(settings: Settings) -> Access:
    secret = settings.app_secret.get_secret_value()
    return Access(token=settings.graph_token.get_secret_value(), app_token=f"{settings.app_id}|{secret}")


def _build_setup_routes(parts: SimulatorParts, access: Access) -> SetupRoutes:
    settings = parts.settings
    return SetupRoutes(
        access=access,
        templates=parts.templates,
        subscription=parts.subscription,
        notifier=parts.notifier,
        timeline=parts.timeline,
        clock=parts.clock,
        session=parts.session,
        token=settings.graph_token.get_secret_value(),
        app_id=settings.app_id,
        account_id=settings.waba_id,
        review_seconds=settings.review_seconds,
    )


def _build_graph_routes(parts: SimulatorParts, access: Access) -> GraphRoutes:
    settings, media = parts.settings, MediaStore()
    sending = MessageAcceptor(
        clock=parts.clock,
        citizens=parts.citizens,
        reader=ContentReader(templates=parts.templates, has_media=media.has),
        message_log=parts.message_log,
        faults=parts.faults,
        timeline=parts.timeline,
        notifier=parts.notifier,
        phones=parts.phones,
        messages_per_second=settings.messages_per_second,
        pair_interval_seconds=settings.pair_interval_seconds,
        own_number=settings.display_phone_number,
    )
    messages = MessagesRoute(
        access=access,
        sending=sending,
        message_log=parts.message_log,
        faults=parts.faults,
        clock=parts.clock,
        phone_number_id=settings.phone_number_id,
        stopping=parts.stopping,
    )
    return GraphRoutes(
        access=access,
        messages=messages,
        templates=parts.templates,
        media=media,
        citizens=parts.citizens,
        account_id=settings.waba_id,
        phone_number_id=settings.phone_number_id,
        display_phone_number=settings.display_phone_number,
        messages_per_second=settings.messages_per_second,
    )


def _build_run_control(parts: SimulatorParts) -> RunControl:
    return RunControl(
        clock=parts.clock,
        citizens=parts.citizens,
        message_log=parts.message_log,
        faults=parts.faults,
        stall_watch=parts.stall_watch,
        notifier=parts.notifier,
        templates=parts.templates,
        hub=parts.hub,
        session=parts.session,
        subscription=parts.subscription,
        verify_token=parts.settings.verify_token.get_secret_value(),
    )


def build_citizen_control(parts: SimulatorParts) -> CitizenControl:
    """Build the control of the citizens; call its `stop` before shutting down the application."""
    writing = CitizenActions(
        clock=parts.clock,
        citizens=parts.citizens,
        message_log=parts.message_log,
        phones=parts.phones,
        notifier=parts.notifier,
        own_number=parts.settings.display_phone_number,
    )
    return CitizenControl(clock=parts.clock, citizens=parts.citizens, actions=writing)
