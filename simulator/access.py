"""Common parts of both APIs: bearer tokens, JSON responses, and errors that become responses."""

import hmac
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[web.Request], None]


class RequestRefused(Exception):
    """A request that is answered with an error: its HTTP status, and its body as JSON values."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


class ControlError(RequestRefused):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, {"error": text})


def is_authorized(request: web.Request, *tokens: str) -> bool:
    """Return whether the request has one of these bearer tokens; compare in constant time."""
    authorization = request.headers.get("Authorization", "").encode(errors="replace")
    return any([hmac.compare_digest(authorization, f"Bearer {token}".encode()) for token in tokens])


def check_control(token: str, request: web.Request) -> None:
    if not is_authorized(request, token):
        raise ControlError(401, "the control token is missing or wrong")


def protect(handler: Handler, check: Check) -> Handler:
    """Wrap a handler so that `check` comes first, and refused requests are answered."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            check(request)
            return await handler(request)
        except RequestRefused as error:
            return respond_json(error.body, status=error.status)

    return answer


def respond_json(value: object, *, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )
