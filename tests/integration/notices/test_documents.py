"""What the notices API says about itself is served to everybody, and is what lies in the repository."""

import json

from tests.harness.notices_api import Answer, NoticesApi
from tools import asyncapi, openapi


async def served(door: NoticesApi, path: str) -> Answer:
    """Without a token."""
    answer = await door.ask("GET", path, token=None)
    assert answer.status == 200
    return answer


async def test_the_documents_are_those_of_the_repository(door: NoticesApi) -> None:
    assert (await served(door, "/openapi.json")).body == json.loads(openapi.FILE.read_text())
    assert (await served(door, "/asyncapi.json")).text == asyncapi.FILE.read_text()
    for path in ("/openapi.json", "/asyncapi.json"):
        assert (await served(door, path)).headers["Content-Type"] == "application/json; charset=utf-8"


async def test_the_page_is_that_of_the_document_in_the_repository(door: NoticesApi) -> None:
    expected = openapi.render_page(json.loads(openapi.FILE.read_text()))
    for path in ("/", "/docs"):
        found = await served(door, path)
        assert (found.text, found.headers["Content-Type"]) == (expected, "text/html; charset=utf-8")
    assert "script" not in expected
    assert 'href="/asyncapi.json"' in expected
