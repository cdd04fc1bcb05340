"""Whatever goes wrong becomes a problem that tells what the client can do about it, and nothing else."""

import time
from collections.abc import Mapping

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.ingress.door.adapters.http.answers import refused
from services.ingress.door.adapters.metrics import NOWHERE, DoorMetrics
from services.ingress.door.domain.refusals import Kind, Refusal

METRICS = web.AppKey("metrics", DoorMetrics)

_KINDS: Mapping[int, Kind] = {kind.status: kind for kind in Kind}
_log = structlog.get_logger()


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost layer: no exception gets past it."""
    started = time.monotonic()
    try:
        response = await handler(request)
    except Refusal as refusal:
        response = refused(refusal)
    except web.HTTPException as error:
        response = refused(_as_refusal(error))
    except ConnectionError:
        raise  # there is nobody left to answer
    except Exception as error:  # the one place for bugs: told to the operator, not to the client
        _log.exception("door_failed", cause=type(error).__name__)
        response = refused(Refusal(Kind.INTERNAL))
    request.app[METRICS].answered(_route(request), response.status, time.monotonic() - started)
    return response


def _as_refusal(error: web.HTTPException) -> Refusal:
    allowed = {str(hdrs.ALLOW): error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
    return Refusal(_KINDS.get(error.status, Kind.UNREADABLE), headers=allowed)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else NOWHERE


def respond_to_error(status: int) -> web.Response:
    """Return a problem for what is no HTTP, without its own words in it."""
    return refused(Refusal(_KINDS.get(status, Kind.UNREADABLE)))
