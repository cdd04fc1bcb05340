"""The way back after a login: to the page that was asked for, or to the one from which a form came."""

from collections.abc import Iterator
from urllib.parse import quote

from aiohttp import hdrs, web
from yarl import URL

from services.newsroom.domain.login import choose_destination

LOGIN_PATH = "/anmelden"


async def find_way_back(request: web.Request, origin: str) -> str:
    """Return the path of the page that the request is for; of a form, that of the page on which it stood.

    A table and a stream are no pages: a browser that is led to one stays on the login. Has to be called before the form
    is read. `origin` is our own.
    """
    if request.method == hdrs.METH_GET:
        path, mark, query = request.path_qs.partition("?")
        return path.removesuffix(".csv").removesuffix("/strom") + mark + query
    for path in filter(None, (choose_destination(each, "") for each in _list_possible(request, origin))):
        page = URL(path).without_query_params("erledigt")  # what was done before is not said once more
        asked = request.clone(method=hdrs.METH_GET, rel_url=page)
        if (await request.app.router.resolve(asked)).http_exception is None:
            return page.raw_path_qs
    return "/"


def _list_possible(request: web.Request, origin: str) -> Iterator[str]:
    """Yield the page that the browser names, if it is ours, and then what is at the form's address and above it."""
    page = request.headers.get(hdrs.REFERER, "")
    if page.startswith(f"{origin}/"):
        yield page.removeprefix(origin)
    parts = request.rel_url.raw_path.split("/")
    yield from ("/".join(parts[:length]) for length in range(len(parts), 1, -1))


def build_login_path(request: web.Request, way_back: str) -> str:
    """Return the address of the login that leads there; of a form it says that it was not carried out."""
    said = [] if request.method == hdrs.METH_GET else ["abgelaufen=1"]
    said += [] if way_back == "/" else [f"weiter={quote(way_back, safe='')}"]
    return f"{LOGIN_PATH}?{'&'.join(said)}" if said else LOGIN_PATH
