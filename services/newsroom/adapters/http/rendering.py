"""HTML pages from templates: everything is escaped, every style and script is a file of ours."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.newsroom.adapters.http.static_files import StaticFiles
from services.newsroom.adapters.http.web_pages import VISITOR, Audience, WebPage
from services.newsroom.domain.accounts import Right, Role
from services.newsroom.domain.sessions import SessionStage

TEMPLATES = Path(__file__).parent / "templates"
ZONE = ZoneInfo("Europe/Berlin")
ROLE_NAMES: Mapping[Role, str] = {
    Role.EDITOR: "Redaktion",
    Role.APPROVER: "Freigabe",
    Role.OPERATOR: "Betrieb",
    Role.LEAD: "Leitung",
}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class PageRenderer:
    """Renderer of all templates, with what every page shows: visitor, navigation, styles."""

    def __init__(self, static: StaticFiles, pages: Sequence[WebPage]) -> None:
        self._navigation = [page for page in pages if page.title]
        self._environment = build_environment(static)

    def render(self, request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
        """Return the page; the values that a template uses are required."""
        nonce = secrets.token_urlsafe(16)
        visitor = request.get(VISITOR)
        html = self._environment.get_template(template).render(
            visitor=visitor,
            csrf=visitor.csrf if visitor else "",
            nonce=nonce,
            path=request.path,
            navigation=[page for page in self._navigation if self._is_shown(page, request)],
            **values,
        )
        return web.Response(
            text=html,
            status=status,
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY.format(nonce=nonce)},
        )

    @staticmethod
    def _is_shown(page: WebPage, request: web.Request) -> bool:
        visitor = request.get(VISITOR)
        if visitor is None or visitor.stage is not SessionStage.OPEN:
            return False
        return isinstance(page.audience, Audience) or visitor.account.may(page.audience)


RENDERER = web.AppKey("renderer", PageRenderer)


def render_page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """Return a page of the newsroom."""
    return request.app[RENDERER].render(request, template, status=status, **values)


def build_environment(static: StaticFiles) -> Environment:
    """Return the templates' environment: escaping is on, and an unknown name is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        style_sheets=static.style_sheets, asset=static.get_path, role_names=ROLE_NAMES, rights=Right, roles=list(Role)
    )
    environment.filters.update(
        moment=format_moment, day=format_day, quoted=partial(quote, safe=""), number=format_number
    )
    return environment


def format_moment(moment: datetime) -> str:
    """Return date and time as people in Germany write them."""
    return moment.astimezone(ZONE).strftime("%d.%m.%Y, %H:%M Uhr")


def format_day(moment: datetime | date) -> str:
    day = moment.astimezone(ZONE) if isinstance(moment, datetime) else moment
    return day.strftime("%d.%m.%Y")


def format_number(number: int | None) -> str:
    """Return a number with German separators; a question mark for one that is not known."""
    return "?" if number is None else f"{number:,}".replace(",", ".")
