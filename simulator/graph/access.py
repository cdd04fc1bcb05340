"""Authentication of the Graph API, and its error responses."""

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from simulator.graph.errors import GraphError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Access:
    """Check of the bearer token, made before anything else, as Meta does."""

    def __init__(self, *, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def check(self, request: web.Request) -> None:
        """Raise Meta's error 190 unless the token is right; compare in constant time."""
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._expected):
            raise GraphError(190, "The access token could not be verified.")

    def require_token(self, handler: Handler) -> Handler:
        """Wrap a handler so that it requires the token and answers with Meta's errors."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self.check(request)
                return await handler(request)
            except GraphError as error:
                return build_error_response(error)

        return guarded


def build_error_response(error: GraphError) -> web.Response:
    return web.Response(body=error.encode(), status=error.status, content_type="application/json")
