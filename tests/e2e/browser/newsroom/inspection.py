"""Checks of every page: no finding of axe-core, no overflow, no complaint of the browser, a visible focus."""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

ASSETS = Path(os.environ.get("KREISFUNK_NEWSROOM_ASSETS", ".local/newsroom-assets"))
# Taken only if asked for: to draw a whole page takes longer than to check it.
SCREENSHOTS = os.environ.get("KREISFUNK_TEST_SCREENSHOTS")
DESKTOP, TABLET, PHONE = (1280, 900), (768, 1024), (320, 640)
# A window of 1280 pixels at 200 %.
ENLARGED = (640, 450)
Scheme = Literal["light", "dark"]
PATIENCE_MILLISECONDS = 60_000
MAX_CONTROLS = 100
MAX_PAGES = 60
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/konto/)[^/]+|(?<=/meldung/)[^/]+|\d+")
_LINKS = "() => [...document.querySelectorAll('a[href]')].filter(a => !a.download).map(a => a.href)"
_NOT_PAGES = (".csv", ".pdf", ".json", ".rss", ".atom", ".svg")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""
_RUN_AXE = "rules => axe.run(document, { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] })"
FOCUS = """
() => {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return null;
  const hasOutline = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const box = focused.getBoundingClientRect();
  return {
    place: [...document.querySelectorAll("*")].indexOf(focused),
    name: (focused.getAttribute("aria-label") ?? focused.labels?.[0]?.textContent ?? focused.textContent)
      .trim().replace(/\\s+/g, " "),
    visible: box.width > 0 && box.height > 0
      && (hasOutline(getComputedStyle(focused)) || hasOutline(getComputedStyle(focused, "::after"))),
    inside: box.right > 0 && box.left < innerWidth,
  };
}
"""
_WIDEST = """
() => [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5
    && !element.closest(".nr-scroll"))
  .map((element) => element.tagName.toLowerCase() + "." + element.className).slice(0, 5)
"""

# Codes, and words of up to 24 letters; addresses and file names have to go on in another line.
_TORN = """
() => {
  const torn = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".nr-hidden")) continue;
    const words = /[A-Z0-9]{4}-[A-Z0-9]{4}\\b|(?<![^\\s–-])[^\\s–-]{2,24}(?![^\\s–-])/gu;
    for (const { 0: text, index } of node.data.matchAll(words)) {
      if (/[_\\/@]|\\w\\.\\w/.test(text)) continue;
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + text.length);
      const boxes = [...range.getClientRects()];
      if (new Set(boxes.map((box) => Math.round(box.top))).size < 2) continue;
      let block = node.parentElement;
      while (getComputedStyle(block).display === "inline") block = block.parentElement;
      const { paddingLeft, paddingRight } = getComputedStyle(block);
      const room = block.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
      if (boxes.reduce((sum, box) => sum + box.width, 0) <= room) torn.push(text);
    }
  }
  return torn;
}
"""


@dataclass
class Inspector:
    """A browser, and everything that it complains about."""

    browser: Browser
    axe: str = field(repr=False)
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def close(self) -> None:
        for context in self.contexts:
            await context.close()

    async def open_context(
        self,
        size: tuple[int, int] = DESKTOP,
        *,
        scheme: Scheme = "light",
        script: bool = True,
        **options: Any,
    ) -> BrowserContext:
        """A visitor of their own, with cookies of their own."""
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=script,
            locale="de-DE",
            timezone_id="Europe/Berlin",
            **options,
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        await context.add_init_script(WATCH_POLICY)
        self.contexts.append(context)
        return context

    async def open(self, context: BrowserContext, url: str) -> Page:
        """A tab with this page in it."""
        page = await context.new_page()
        origin = urlsplit(url).netloc
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._check_request(request, origin))
        await page.goto(url)
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        # That an error page has an error status is what it is for.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _check_request(self, request: Request, origin: str) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != origin:
            self.complaints.append(f"a request to {parts.netloc}")

    async def inspect(self, page: Page, name: str = "") -> None:
        """Nothing is wrong with the page as it is now."""
        assert await list_problems(page, self.axe) == [], name or page.url
        assert await page.evaluate(_WIDEST) == [], name or page.url
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, name or page.url
        assert await page.evaluate("window.violations ?? []") == [], name or page.url


async def list_problems(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds, each with the first places."""
    await page.evaluate(axe)
    found: dict[str, Any] = await page.evaluate(_RUN_AXE, RULES)
    return [
        f"{violation['id']}: {violation['help']}; {[node['html'][:200] for node in violation['nodes'][:3]]}"
        for violation in found["violations"]
    ]


async def list_torn_words(page: Page) -> list[str]:
    """The words and codes that go on in another line, though they would fit into one."""
    return list(await page.evaluate(_TORN))


# A page that begins with the focus on what it has to say is walked from its top, too.
_FOCUS_TOP = "() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex') }"


async def walk_by_keyboard(page: Page) -> list[str]:
    """The names of all controls in the order of Tab; each must be visibly focused, and within the window."""
    names: dict[int, str] = {}
    place = None
    await page.evaluate(_FOCUS_TOP)
    for _ in range(MAX_CONTROLS):
        await page.keyboard.press("Tab")
        focus = await page.evaluate(FOCUS)
        # After the last control comes the first one again; within a date field the focus stays.
        if focus is None or (focus["place"] in names and focus["place"] != place):
            return list(names.values())
        place = focus["place"]
        assert focus["visible"], f"no focus to be seen on {focus['name']}"
        assert focus["inside"], f"{focus['name']} has the focus outside of the window"
        names[focus["place"]] = focus["name"]
    raise AssertionError(f"Tab does not come to an end: {names.values()}")


async def press_to(page: Page, name: str) -> list[str]:
    """Press Tab until the control of this name has the focus; return those whose focus cannot be seen."""
    invisible = []
    for _ in range(MAX_CONTROLS):
        await page.keyboard.press("Tab")
        # After the last control the focus is nowhere for one step.
        focus = await page.evaluate(FOCUS) or {"name": "", "visible": True}
        if not focus["visible"]:
            invisible.append(focus["name"])
        if focus["name"] == name:
            return invisible
    raise AssertionError(f"Tab does not reach {name}")


async def take_screenshot(page: Page, name: str, **options: Any) -> None:
    """Take a picture of the whole page, or of a part of it, if pictures are wanted."""
    if SCREENSHOTS:
        path = Path(SCREENSHOTS) / f"{name}.png"
        await page.screenshot(path=path, animations="disabled", **{"full_page": True, **options})


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
