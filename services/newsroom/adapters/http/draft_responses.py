"""Responses that all pages of drafts share: not found, refused, changed meanwhile."""

from uuid import UUID

from aiohttp import web

from services.newsroom.adapters.http.draft_forms import build_values
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import PageHandler
from services.newsroom.domain.drafts import DraftConflict, DraftContent, DraftRefused, NoticeDraft
from services.newsroom.ports import DraftNotFound

_REFUSED, _CHANGED = 422, 409


def catch_draft_errors(handler: PageHandler) -> PageHandler:
    """Return the handler with a page for each refusal."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except DraftNotFound:
            raise web.HTTPNotFound from None
        except DraftRefused as refused:
            return _render_refusal(request, _REFUSED, str(refused))
        except DraftConflict:
            reason = "Der Entwurf wurde inzwischen geändert. Lesen Sie die neue Fassung, bevor Sie fortfahren."
            return _render_refusal(request, _CHANGED, reason)

    return handle


def _render_refusal(request: web.Request, status: int, reason: str) -> web.Response:
    return render_page(request, "draft_refused.html", status=status, reason=reason, back=_find_way_back(request))


def _find_way_back(request: web.Request) -> str:
    """Return the page of what the act was about."""
    return "/".join(request.path.split("/")[:3])


def render_conflict(request: web.Request, newest: NoticeDraft, mine: DraftContent) -> web.Response:
    """Return a page with both versions, of which the editor makes one; nothing has been overwritten."""
    return render_page(
        request,
        "draft_conflict.html",
        status=_CHANGED,
        draft=newest,
        theirs=build_values(newest.content),
        mine=build_values(mine),
        mine_content=mine,
        theirs_content=newest.content,
    )


def parse_draft_id(request: web.Request) -> UUID:
    """Return the id in the path. Raises DraftNotFound."""
    try:
        return UUID(request.match_info["draft"])
    except ValueError:
        raise DraftNotFound from None
