"""The notices API serves its documents to everybody, as they are in the repository."""

import pytest

from tests.harness.notices_api import NoticesApi
from tools import asyncapi, openapi

PAGE = openapi.PAGE.read_text(), "text/html"
DOCUMENTS = {
    "/openapi.json": (openapi.FILE.read_text(), "application/json"),
    "/asyncapi.json": (asyncapi.FILE.read_text(), "application/json"),
    "/": PAGE,
    "/docs": PAGE,
}


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_the_documents_are_those_of_the_repository(api: NoticesApi, path: str) -> None:
    text, media = DOCUMENTS[path]
    answer = await api.ask("GET", path, token=None)
    assert (answer.status, answer.text) == (200, text)
    assert answer.headers["Content-Type"] == f"{media}; charset=utf-8"
