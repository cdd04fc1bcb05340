"""Walks through a site by its links, so that a page that is added is looked at, too."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

from playwright.async_api import Page

MAX_PAGES = 60
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/konto/)[^/]+|(?<=/meldung/)[^/]+|\d+")
_LINKS = "() => [...document.querySelectorAll('a[href]')].filter(a => !a.download).map(a => a.href)"
_NOT_PAGES = (".csv", ".pdf", ".json", ".rss", ".atom", ".svg")


async def walk(page: Page, start: str) -> AsyncIterator[str]:
    """Open every page that can be reached from `start`, one of each kind; yield its shape, such as `/konto/…`."""
    host = urlsplit(start).netloc
    waiting, seen = [start], {_get_shape(start)}
    while waiting:
        url = waiting.pop(0)
        await page.goto(url)
        yield _get_shape(url)
        for link in await page.evaluate(_LINKS):
            found = urljoin(url, link)
            parts = urlsplit(found)
            shape = _get_shape(found)
            if parts.netloc != host or parts.fragment or parts.path.endswith(_NOT_PAGES) or shape in seen:
                continue
            seen.add(shape)
            waiting.append(found)
        assert len(seen) <= MAX_PAGES, f"not a site of so few kinds of pages: {sorted(seen)}"


def _get_shape(url: str) -> str:
    """Return the path without what differs from one object to another."""
    parts = urlsplit(url)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&")} - {""})
    return _IDENTIFIER.sub("…", parts.path) + (f"?{'&'.join(names)}" if names else "")
