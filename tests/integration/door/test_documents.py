"""What the door says about itself is served to everybody, and is what lies in the repository."""

import json

from services.ingress.door.adapters.http.documents import ASYNCAPI_CAPTION
from services.ingress.door.domain.page import page
from tests.contract import asyncapi, openapi
from tests.integration.door.door import Answer, Door


async def served(door: Door, path: str) -> Answer:
    """Without a token."""
    answer = await door.ask("GET", path, token=None)
    assert answer.status == 200
    return answer


async def test_the_documents_are_those_of_the_repository(door: Door) -> None:
    assert (await served(door, "/openapi.json")).body == json.loads(openapi.FILE.read_text())
    assert (await served(door, "/asyncapi.json")).text == asyncapi.FILE.read_text()
    for path in ("/openapi.json", "/asyncapi.json"):
        assert (await served(door, path)).headers["Content-Type"] == "application/json; charset=utf-8"


async def test_the_page_is_that_of_the_document_in_the_repository(door: Door) -> None:
    expected = page(json.loads(openapi.FILE.read_text()), {"/asyncapi.json": ASYNCAPI_CAPTION})
    for path in ("/", "/docs"):
        found = await served(door, path)
        assert (found.text, found.headers["Content-Type"]) == (expected, "text/html; charset=utf-8")
    assert "script" not in expected
    assert 'href="/asyncapi.json"' in expected
