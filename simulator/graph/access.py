"""Authentication of the Graph API, and its error responses."""

import hmac
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from simulator.graph.errors import GraphError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[web.Request], None]


class Access:
    """Check of the bearer token, made before anything else, as Meta does."""

    def __init__(self, *, token: str, app_token: str) -> None:
        self._expected = f"Bearer {token}".encode()
        self._expected_of_app = f"Bearer {app_token}".encode()

    def check(self, request: web.Request) -> None:
        """Raise Meta's error 190 unless the token is right; compare in constant time."""
        if not hmac.compare_digest(_read_authorization(request), self._expected):
            raise GraphError(190, "The access token could not be verified.")

    def check_app(self, request: web.Request) -> None:
        """Raise Meta's error 190, or 15 for the token of a system user, unless it is the app's own token."""
        given = _read_authorization(request)
        if hmac.compare_digest(given, self._expected):
            raise GraphError(15, "The token has to be that of the app.")
        if not hmac.compare_digest(given, self._expected_of_app):
            raise GraphError(190, "The app secret does not belong to this app.")

    def check_any(self, request: web.Request) -> None:
        """Raise Meta's error 190 unless it is one of both tokens."""
        if not hmac.compare_digest(_read_authorization(request), self._expected_of_app):
            self.check(request)

    def require_token(self, handler: Handler, check: Check | None = None) -> Handler:
        """Wrap a handler so that it requires the token and answers with Meta's errors."""
        check = check or self.check

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                check(request)
                return await handler(request)
            except GraphError as error:
                return build_error_response(error)

        return guarded


def build_error_response(error: GraphError) -> web.Response:
    return web.Response(body=error.encode(), status=error.status, content_type="application/json")


def respond_json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _read_authorization(request: web.Request) -> bytes:
    return request.headers.get("Authorization", "").encode(errors="replace")
