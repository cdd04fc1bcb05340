"""Conversion of every error to problem details that tell the client what to do, and nothing else."""

import time
from collections.abc import Mapping

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.ingress.notices.adapters.http.responses import build_error_response
from services.ingress.notices.adapters.metrics import NO_ROUTE, NoticesApiMetrics
from services.ingress.notices.domain.errors import ApiError, ErrorType

METRICS = web.AppKey("metrics", NoticesApiMetrics)

_ERROR_TYPES: Mapping[int, ErrorType] = {kind.status: kind for kind in ErrorType}
_log = structlog.get_logger()


@web.middleware
async def convert_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert exceptions to error responses; as the outermost middleware, it lets none through but lost connections."""
    started = time.monotonic()
    try:
        response = await handler(request)
    except ApiError as refusal:
        response = build_error_response(refusal)
    except web.HTTPException as error:
        response = build_error_response(_convert_http_error(error))
    except ConnectionError:
        raise  # the client is gone
    except Exception as error:  # a bug: details go to the operator's log, not to the client
        _log.exception("notices_api_failed", cause=type(error).__name__)
        response = build_error_response(ApiError(ErrorType.INTERNAL))
    request.app[METRICS].observe_request(_get_route_path(request), response.status, time.monotonic() - started)
    return response


def _convert_http_error(error: web.HTTPException) -> ApiError:
    allowed = {str(hdrs.ALLOW): error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
    return ApiError(_ERROR_TYPES.get(error.status, ErrorType.UNREADABLE), headers=allowed)


def _get_route_path(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else NO_ROUTE


def respond_to_error(status: int) -> web.Response:
    """Return a problem response to malformed HTTP, without repeating any of it."""
    return build_error_response(ApiError(_ERROR_TYPES.get(status, ErrorType.UNREADABLE)))
