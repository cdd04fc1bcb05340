"""Handlers of `/notices`: publish and check."""

from aiohttp import hdrs, web

from services.ingress.notices.adapters.http.requests import authenticate_caller, read_api_request
from services.ingress.notices.adapters.http.responses import build_response
from services.ingress.notices.domain.results import CheckResults, PublishResults
from services.ingress.notices.handlers.publishing import PublishService

PUBLISH_SERVICE = web.AppKey("publish_service", PublishService)


async def publish(request: web.Request) -> web.Response:
    """Publish; respond 202 with the URL to follow once the broker has stored the events."""
    caller = authenticate_caller(request)
    parsed, results = await request.app[PUBLISH_SERVICE].publish(await read_api_request(request), caller)
    location = {str(hdrs.LOCATION): results[0].event} if len(results) == 1 else None
    return build_response(PublishResults(events=tuple(results)) if parsed.batch else results[0], 202, location)


async def check(request: web.Request) -> web.Response:
    """Respond with what publishing would do, without publishing."""
    caller = authenticate_caller(request)
    parsed, results = await request.app[PUBLISH_SERVICE].check(await read_api_request(request), caller)
    return build_response(CheckResults(events=tuple(results)) if parsed.batch else results[0])
