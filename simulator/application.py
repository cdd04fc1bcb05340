"""Everything that answers requests, on one port."""

import asyncio
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from simulator.account import Account
from simulator.citizens import Citizens
from simulator.clock import Clock
from simulator.control.access import guard
from simulator.control.bookkeeping import BookControl
from simulator.control.citizens import CitizenControl
from simulator.control.writing import Writing
from simulator.events import Hub
from simulator.faults import FaultBox
from simulator.graph.access import Access
from simulator.graph.content import Reading
from simulator.graph.media import MediaShelf
from simulator.graph.messages import MessagesRoute
from simulator.graph.routes import GraphRoutes
from simulator.graph.sending import Sending
from simulator.graph.templates import Templates
from simulator.metrics import AccountCollector, registry
from simulator.page.routes import routes as page_routes
from simulator.phones import Phones
from simulator.settings import Settings
from simulator.stalls import StallWatch
from simulator.timeline import Timeline
from simulator.webhooks.notifier import Notifier

MOST_BODY_BYTES = 4 * 1024 * 1024


@dataclass(kw_only=True, frozen=True)
class Parts:
    """What everything else is made of: one of each per simulator."""

    settings: Settings
    clock: Clock
    session: aiohttp.ClientSession
    stopping: asyncio.Event
    templates: Templates
    citizens: Citizens
    account: Account
    faults: FaultBox
    stall_watch: StallWatch
    hub: Hub
    phones: Phones
    timeline: Timeline
    notifier: Notifier


def application(parts: Parts, citizen_control: CitizenControl) -> web.Application:
    """The application; its streams end when it shuts down."""
    app = web.Application(client_max_size=MOST_BODY_BYTES)
    token = parts.settings.control_token.get_secret_value()
    app.add_routes(_graph(parts).routes())
    app.add_routes(page_routes())
    for route in (*citizen_control.routes(), *_book_control(parts).routes()):
        app.router.add_route(route.method, route.path, guard(token, route.handler))
    collector = AccountCollector(account=parts.account, citizens=parts.citizens, notifier=parts.notifier)
    app.router.add_get("/metrics", make_aiohttp_handler(registry(collector)))
    _add_probes(app, parts)
    return app


def _add_probes(app: web.Application, parts: Parts) -> None:
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


def _graph(parts: Parts) -> GraphRoutes:
    settings, media = parts.settings, MediaShelf()
    access = Access(token=settings.graph_token.get_secret_value())
    sending = Sending(
        clock=parts.clock,
        citizens=parts.citizens,
        reading=Reading(templates=parts.templates, has_media=media.has),
        account=parts.account,
        faults=parts.faults,
        timeline=parts.timeline,
        notifier=parts.notifier,
        phones=parts.phones,
        messages_per_second=settings.messages_per_second,
        own_number=settings.display_phone_number,
    )
    messages = MessagesRoute(
        access=access,
        sending=sending,
        account=parts.account,
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


def _book_control(parts: Parts) -> BookControl:
    return BookControl(
        clock=parts.clock,
        citizens=parts.citizens,
        account=parts.account,
        faults=parts.faults,
        stall_watch=parts.stall_watch,
        notifier=parts.notifier,
        templates=parts.templates,
        hub=parts.hub,
        session=parts.session,
        webhook_url=str(parts.settings.webhook_url),
        verify_token=parts.settings.verify_token.get_secret_value(),
    )


def citizen_control(parts: Parts) -> CitizenControl:
    """The control of the citizens; has to be stopped before the application is."""
    writing = Writing(
        clock=parts.clock,
        citizens=parts.citizens,
        account=parts.account,
        phones=parts.phones,
        notifier=parts.notifier,
        own_number=parts.settings.display_phone_number,
    )
    return CitizenControl(clock=parts.clock, citizens=parts.citizens, writing=writing)
