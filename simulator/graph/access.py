"""Tokens of the Graph API."""

from aiohttp import web

from simulator.access import is_authorized
from simulator.graph.errors import GraphError, build_not_found
from simulator.settings import Settings


class GraphAccess:
    """Checks of the bearer token, made before anything else, as Meta does."""

    def __init__(self, settings: Settings) -> None:
        self.token = settings.graph_token.get_secret_value()
        self._app_token = f"{settings.app_id}|{settings.app_secret.get_secret_value()}"

    def check(self, request: web.Request) -> None:
        """Raise Meta's error 190 unless it is the token of the system user."""
        if not is_authorized(request, self.token):
            raise GraphError(190, "The access token could not be verified.")

    def check_app(self, request: web.Request) -> None:
        """Raise Meta's error 190, or 15 for the token of the system user, unless it is the app's own token."""
        if is_authorized(request, self.token):
            raise GraphError(15, "The token must be the app's own token.")
        if not is_authorized(request, self._app_token):
            raise GraphError(190, "The app secret does not belong to this app.")

    def check_any(self, request: web.Request) -> None:
        """Raise Meta's error 190 unless it is one of the two tokens."""
        if not is_authorized(request, self._app_token):
            self.check(request)

    def check_upload(self, request: web.Request) -> None:
        """Raise Meta's error 190 unless it is the token, which only uploads send in the scheme `OAuth`."""
        if request.headers.get("Authorization") != f"OAuth {self.token}":
            raise GraphError(190, "The access token could not be verified.")


def require_id(request: web.Request, name: str, expected: str) -> None:
    """Raise Meta's error for an unknown id unless the part `name` of the path is the expected one."""
    if request.match_info[name] != expected:
        raise build_not_found()
