"""HTML pages from templates: all values are escaped, all styles and scripts are our own files."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.newsroom.domain.accounts import AccountChange, Right, Role
from services.newsroom.domain.feedback import render_csv
from services.newsroom.domain.login import SessionStage, Visitor
from services.newsroom.domain.sending import format_count
from services.newsroom.http.documents import StaticFiles
from services.newsroom.http.web_pages import VISITOR, Audience, WebPage
from shared.contracts.hours import LOCAL_ZONE

TEMPLATES = Path(__file__).parent / "templates"
OWN_STYLES = ("newsroom.css", "writing.css", "statistics.css")
ROLE_NAMES: Mapping[Role, str] = {
    Role.EDITOR: "Redaktion",
    Role.APPROVER: "Freigabe",
    Role.OPERATOR: "Betrieb",
    Role.LEAD: "Leitung",
}
CHANGE_NAMES: Mapping[AccountChange, str] = {
    AccountChange.INVITE: "Neues Konto",
    AccountChange.ROLES: "Andere Rollen",
    AccountChange.ENABLE: "Konto entsperren",
}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def build_environment(
    filters: Mapping[str, Callable[..., object]], values: Mapping[str, object], parts: Mapping[str, str]
) -> Environment:
    """Return the template environment, with escaping; an undefined name is an error.

    All templates can use the values and, under the names in `parts`, the macros of other templates.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(number=lambda number: "?" if number is None else format_count(number), **filters)
    environment.globals.update(values)
    for name, template in parts.items():
        environment.globals[name] = environment.get_template(template).module
    return environment


class PageRenderer:
    """Renderer of all templates, with the values common to all pages: visitor, navigation, styles, names in German."""

    def __init__(self, static: StaticFiles, pages: Sequence[WebPage], topics: Mapping[str, str]) -> None:
        self._navigation = [page for page in pages if page.title]
        self._environment = build_environment(
            {
                "moment": format_moment,
                "hour": format_hour,
                "day": lambda day: f"{day:%d.%m.%Y}",
                "quoted": partial(quote, safe=""),
                "roles": lambda roles: ", ".join(ROLE_NAMES[role] for role in sorted(roles)),
            },
            {
                "style_sheets": [*static.base_styles, *map(static.get_path, OWN_STYLES)],
                "asset": static.get_path,
                "rights": Right,
                "role_names": ROLE_NAMES,
                "change_names": CHANGE_NAMES,
                "topics": topics,
            },
            {"forms": "forms.html", "parts": "notice_parts.html"},
        )

    def render(self, request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
        """Render the template; all values that it uses are required."""
        nonce = secrets.token_urlsafe(16)
        visitor = request.get(VISITOR)
        html = self._environment.get_template(template).render(
            visitor=visitor,
            csrf=visitor.csrf if visitor else "",
            nonce=nonce,
            path=request.path,
            navigation=self._list_navigation(visitor),
            **values,
        )
        return web.Response(
            text=html,
            status=status,
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY.format(nonce=nonce)},
        )

    def _list_navigation(self, visitor: Visitor | None) -> Sequence[WebPage]:
        if visitor is None or visitor.stage is not SessionStage.OPEN:
            return []
        may = visitor.account.may
        return [page for page in self._navigation if isinstance(page.audience, Audience) or may(page.audience)]


RENDERER = web.AppKey("renderer", PageRenderer)


def render_page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    return request.app[RENDERER].render(request, template, status=status, **values)


def respond_with_table(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> web.Response:
    """Return the table as a CSV download of this name."""
    return web.Response(
        body=render_csv(head, rows),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def format_moment(moment: datetime) -> str:
    return moment.astimezone(LOCAL_ZONE).strftime("%d.%m.%Y, %H:%M Uhr")


def format_hour(moment: datetime) -> str:
    """Format the date, and the hour that begins at this moment."""
    local = moment.astimezone(LOCAL_ZONE)
    return f"{local:%d.%m.%Y}, zwischen {local.hour} und {local.hour + 1} Uhr"
