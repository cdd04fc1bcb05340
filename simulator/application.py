"""The simulator's web application: Graph API, control API, page, metrics and probes on one port."""

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from simulator.control.access import require_token
from simulator.control.citizens import CitizenControl
from simulator.control.run import RunControl
from simulator.graph.access import Access
from simulator.graph.routes import GraphRoutes
from simulator.graph.setup_routes import SetupRoutes
from simulator.metrics import SimulatorCollector, build_registry
from simulator.page.routes import build_routes as page_routes
from simulator.parts import SimulatorParts
from simulator.settings import Settings

MAX_BODY_BYTES = 4 * 1024 * 1024


def build_application(parts: SimulatorParts, citizen_control: CitizenControl) -> web.Application:
    """Build the web application; its event streams end when it shuts down."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    token = parts.settings.control_token.get_secret_value()
    access = _build_access(parts.settings)
    app.add_routes(SetupRoutes(parts, access).build_routes())
    app.add_routes(GraphRoutes(parts, access).build_routes())
    app.add_routes(page_routes())
    for route in (*citizen_control.build_routes(), *RunControl(parts).build_routes()):
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
