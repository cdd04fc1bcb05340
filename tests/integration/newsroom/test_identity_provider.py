"""The client of the identity provider, on documents that no provider should answer with."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.ports import LOOPBACK
from services.newsroom.adapters.identity_provider import (
    MAX_BYTES,
    OidcProvider,
    ProviderUnavailable,
    open_identity_provider,
)
from services.newsroom.domain.identity import PendingLogin, ProviderClient

PENDING = PendingLogin(state="z", nonce="n", verifier="v", begun_at=datetime(2026, 11, 28, tzinfo=UTC))


class DocumentServer:
    """Answers with a document, and counts how often it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.answer: web.Response | dict[str, Any] = {}

    async def handle(self, _: web.Request) -> web.Response:
        self.asked += 1
        if isinstance(self.answer, web.Response):
            return self.answer
        return web.json_response({**self.build_metadata(), **self.answer})

    def build_metadata(self) -> dict[str, str]:
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        return {"issuer": self.url, **{name: f"{self.url}/{name}" for name in names}}


@pytest.fixture
async def server() -> AsyncIterator[DocumentServer]:
    documents, app = DocumentServer(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", documents.handle)
    async with TestServer(app) as running:
        documents.url = f"http://{running.host}:{running.port}"
        yield documents


@pytest.fixture
async def client(server: DocumentServer) -> AsyncIterator[OidcProvider]:
    known = ProviderClient(issuer=server.url, client_id="redaktion", secret=None, origin="https://r.example")
    async with open_identity_provider(known) as opened:
        assert opened
        yield opened


async def test_a_slash_too_many_is_seen_in_what_the_log_says(server: DocumentServer, client: OidcProvider) -> None:
    server.answer = {"issuer": f"{server.url}/"}
    with pytest.raises(ProviderUnavailable, match=f"calls itself {server.url}/, which is not KREISFUNK_OIDC_ISSUER"):
        await client.build_login_url(PENDING)


async def test_why_it_is_not_reached_is_said() -> None:
    away = ProviderClient(issuer=f"http://{LOOPBACK}:1", client_id="redaktion", secret=None, origin="https://r.example")
    async with open_identity_provider(away) as client:
        assert client
        with pytest.raises(ProviderUnavailable, match=r"nobody answers there \(ConnectionRefusedError\)"):
            await client.build_login_url(PENDING)


async def test_the_document_is_fetched_once(server: DocumentServer, client: OidcProvider) -> None:
    for _ in range(3):
        assert (await client.build_login_url(PENDING)).startswith(f"{server.url}/authorization_endpoint?")
    assert server.asked == 1
    assert await client.find_logout_url() is None


@pytest.mark.parametrize(
    "answer",
    [
        {"issuer": "https://anderer.example"},
        {"token_endpoint": "http://anderer.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"end_session_endpoint": "http://anderer.example/"},
        {"jwks_uri": None},
        {"more": "x" * MAX_BYTES},
        web.Response(text="<html>"),
        web.Response(status=404),
        web.Response(status=302, headers={"Location": "/.well-known/openid-configuration"}),
    ],
    ids=range(9),
)
async def test_what_is_no_document_of_this_provider_is_believed_by_nobody(
    answer: web.Response | dict[str, Any], server: DocumentServer, client: OidcProvider
) -> None:
    server.answer = answer
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await client.build_login_url(PENDING)
    assert server.asked == 1  # whoever comes just after is not made to wait
