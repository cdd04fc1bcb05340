"""The page: served from the package under a strict policy, in German, with a name for every control."""

import re
from html.parser import HTMLParser

import pytest

from tests.harness.simulator import CONTROL_TOKEN, SimulatorHarness

PARTS = ["/", "/phones.css", "/page.js", "/phone.js", "/connection.js", "/icon.svg"]


class Elements(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


async def read(harness: SimulatorHarness, path: str) -> str:
    async with harness.session.get(harness.url + path) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize("path", PARTS)
async def test_the_policy_allows_nothing_from_elsewhere(harness: SimulatorHarness, path: str) -> None:
    async with harness.session.get(harness.url + path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        body = await answer.text()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", body)
    assert CONTROL_TOKEN not in body


async def test_the_page_has_nothing_inline_and_says_what_it_is(harness: SimulatorHarness) -> None:
    page = await read(harness, "/")
    elements = Elements(page)
    assert elements.of("html") == [{"lang": "de"}]
    assert elements.of("style") == []
    assert all(script.get("src") for script in elements.of("script"))
    assert not any(name.startswith("on") or name == "style" for _, found in elements.found for name in found)
    assert "Nichts von dieser Seite geht an WhatsApp" in page


async def test_every_input_has_a_label_and_every_id_is_used_once(harness: SimulatorHarness) -> None:
    elements = Elements(await read(harness, "/"))
    labelled = {label.get("for") for label in elements.of("label")}
    assert all(field["id"] in labelled for field in elements.of("input"))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))


async def test_scripts_use_only_ids_that_the_page_has(harness: SimulatorHarness) -> None:
    ids = {attributes.get("id") for _, attributes in Elements(await read(harness, "/")).found}
    script = await read(harness, "/page.js")
    used = set(re.findall(r'find\("([a-z-]+)"\)', script))
    assert used
    assert used <= ids
