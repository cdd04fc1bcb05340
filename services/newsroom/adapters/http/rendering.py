"""HTML pages from templates: everything is escaped, every style and script is a file of ours."""

import gzip
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.newsroom.adapters.http.web_pages import VISITOR, Audience, WebPage
from services.newsroom.domain.accounts import Right, Role
from services.newsroom.domain.feedback import render_csv
from services.newsroom.domain.login import SessionStage
from shared.contracts.hours import LOCAL_ZONE

OWN = Path(__file__).parent / "static"
KERN_STYLES = ("kern.min.css", "fonts/fira-sans.css")
_MEDIA: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_COMPRESSED = frozenset({".css", ".js", ".svg"})


@dataclass(frozen=True)
class _StaticFile:
    media: str
    body: bytes
    compressed: bytes | None


class StaticFiles:
    """Our own static files, and those of the design system KERN where its folder exists.

    The hash in the path is of all files together, since style sheets refer to fonts beside them.
    """

    def __init__(self, assets: Path) -> None:
        self._files = dict(_read_files(assets))
        digest = sha256()
        for name, file in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + file.body)
        self._prefix = f"/static/{digest.hexdigest()[:16]}"
        self.has_kern = f"kern/{KERN_STYLES[0]}" in self._files
        names = [f"kern/{name}" for name in KERN_STYLES] if self.has_kern else ["fallback.css"]
        self.style_sheets = [self.get_path(name) for name in (*names, "newsroom.css")]

    def get_path(self, name: str) -> str:
        """Return the path of a file. Raises KeyError if there is none of this name."""
        self._files[name]
        return f"{self._prefix}/{name}"

    def add_routes(self, app: web.Application) -> None:
        """Serve the files."""
        app.router.add_get("/static/{digest}/{name:.+}", self._serve, allow_head=False)

    async def _serve(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": file.media, "Cache-Control": "public, max-age=31536000, immutable"}
        if file.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                return web.Response(body=file.compressed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)


def _read_files(assets: Path) -> Iterator[tuple[str, _StaticFile]]:
    for prefix, folder in (("", OWN), ("kern/", assets)):
        for path in sorted(folder.rglob("*")):
            if path.suffix in _MEDIA and path.is_file():
                body = path.read_bytes()
                compressed = gzip.compress(body, mtime=0) if path.suffix in _COMPRESSED else None
                yield (
                    f"{prefix}{path.relative_to(folder).as_posix()}",
                    _StaticFile(_MEDIA[path.suffix], body, compressed),
                )


TEMPLATES = Path(__file__).parent / "templates"
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
        self._environment = build_environment()
        self._environment.globals.update(
            style_sheets=static.style_sheets,
            asset=static.get_path,
            rights=Right,
        )
        self._environment.filters.update(
            moment=format_moment,
            hour=format_hour,
            day=format_day,
            quoted=partial(quote, safe=""),
            number=format_number,
            roles=lambda roles: ", ".join(ROLE_NAMES[role] for role in sorted(roles)),
        )

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


def respond_with_table(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> web.Response:
    """Return the table as a file of this name."""
    return web.Response(
        body=render_csv(head, rows),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def build_environment() -> Environment:
    """Return the templates' environment: escaping is on, and an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def format_moment(moment: datetime) -> str:
    """Return date and time as people in Germany write them."""
    return moment.astimezone(LOCAL_ZONE).strftime("%d.%m.%Y, %H:%M Uhr")


def format_hour(moment: datetime) -> str:
    """Return the date, and the hour that begins at this moment."""
    local = moment.astimezone(LOCAL_ZONE)
    return f"{local:%d.%m.%Y}, zwischen {local.hour} und {local.hour + 1} Uhr"


def format_day(moment: datetime | date) -> str:
    day = moment.astimezone(LOCAL_ZONE) if isinstance(moment, datetime) else moment
    return day.strftime("%d.%m.%Y")


def format_number(number: int | None) -> str:
    """Return a number with German separators; a question mark for one that is not known."""
    return "?" if number is None else f"{number:,}".replace(",", ".")
