"""Declaration of pages: every handler has an audience."""

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
    SETTING_UP = "setting_up"  # those who have logged in with a first password, and may do nothing else yet
    LOGGED_IN = "logged_in"


@dataclass(frozen=True)
class WebPage:
    """Page; `audience` is a right or an Audience. Pages with a `title` are in the navigation, in the order of pages.

    The navigation also marks it on the pages below its path, and on those whose paths begin with one of `covers`.

    Only POST pages change anything; their forms contain the CSRF token of the session, which is checked before the
    handler is called.
    """

    method: str
    path: str
    handler: PageHandler
    audience: Right | Audience
    title: str = ""
    covers: tuple[str, ...] = ()


VISITOR = web.RequestKey("visitor", Visitor)  # set on every page but those for everybody
FORM: web.RequestKey[FormData] = web.RequestKey("form")  # fields of a POST, without the CSRF token


def parse_id(text: str) -> UUID:
    """Return the id in a path or a query. Raises HTTPNotFound."""
    try:
        return UUID(text)
    except ValueError:
        raise web.HTTPNotFound from None


def parse_before(request: web.Request) -> datetime | None:
    """Return the time before which an older page of a list begins; None for the newest."""
    try:
        before = datetime.fromisoformat(request.query.get("vor", ""))
        return before.astimezone(UTC) if before.tzinfo else None
    except (ValueError, OverflowError):
        return None


def redirect(path: str) -> web.Response:
    """Return a redirect (303, by GET) to a local path, or to a URL of the identity provider."""
    return web.Response(status=303, headers={"Location": path})
