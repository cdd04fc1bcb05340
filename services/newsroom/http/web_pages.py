"""Pages as the server registers them: no handler is reachable without saying who may reach it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from aiohttp import web
from multidict import MultiDict

from services.newsroom.domain.accounts import Right
from services.newsroom.domain.login import Visitor
from services.newsroom.http.newsroom import Newsroom

PageHandler = Callable[[Newsroom, web.Request], Awaitable[web.StreamResponse]]
FormData = MultiDict[str]


class Audience(StrEnum):
    """Audience of a page that needs no right: everybody, or every visitor who has logged in."""

    EVERYBODY = "everybody"
    SETTING_UP = "setting_up"  # whoever has logged in with a first password, and may do nothing else yet
    LOGGED_IN = "logged_in"


@dataclass(frozen=True)
class WebPage:
    """Page; `audience` is a right or an Audience. A page with a `title` is in the navigation, in the order of pages.

    The navigation marks it on the pages below its path, too, and on those whose paths begin as `covers` says.

    A page changes something only if its method is POST: then its form carries the CSRF value of the session, which the
    server has checked when the handler is called.
    """

    method: str
    path: str
    handler: PageHandler
    audience: Right | Audience
    title: str = ""
    covers: tuple[str, ...] = ()


VISITOR = web.RequestKey("visitor", Visitor)  # every page but those for everybody has one
FORM: web.RequestKey[FormData] = web.RequestKey("form")  # fields of a POST, without the CSRF value


def parse_id(text: str) -> UUID:
    """Return the id in a path or a query. Raises HTTPNotFound."""
    try:
        return UUID(text)
    except ValueError:
        raise web.HTTPNotFound from None


def parse_before(request: web.Request) -> datetime | None:
    """Return the moment before which an older page of a list begins; None for the newest."""
    try:
        before = datetime.fromisoformat(request.query.get("vor", ""))
        return before.astimezone(UTC) if before.tzinfo else None
    except (ValueError, OverflowError):
        return None


def redirect(path: str) -> web.Response:
    """Return a response that leads there, by GET: to a path of ours, or to the address of the identity provider."""
    return web.Response(status=303, headers={"Location": path})
