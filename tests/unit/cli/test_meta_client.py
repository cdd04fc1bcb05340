"""The client of Meta's Graph API tells a number and its token to nobody but the address that it was given."""

import ssl

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.test_utils import TestServer

from cli.meta import GraphRefusal, MetaClient, explain_connection_error


async def test_a_redirect_is_not_followed_with_number_and_token() -> None:
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", redirect)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        client = MetaClient(session=session, base_url=url, token="t")
        with pytest.raises(GraphRefusal, match="status 307"):
            await client.post("1/messages", {"to": "+4947919300"})
    assert asked == ["/1/messages"]


UNTRUSTED = ssl.SSLCertVerificationError()
UNTRUSTED.verify_message = "unable to get local issuer certificate"
NO_TLS = ssl.SSLError()
NO_TLS.reason = "WRONG_VERSION_NUMBER"
META = ConnectionKey("graph.facebook.com", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientConnectorDNSError(META, OSError()),
        aiohttp.ClientConnectorCertificateError(META, UNTRUSTED),
        aiohttp.ClientConnectorError(META, ConnectionRefusedError()),
        aiohttp.ClientConnectorSSLError(META, NO_TLS),
        aiohttp.ServerDisconnectedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_why_meta_is_not_reached_leads_to_the_guide_once(error: aiohttp.ClientError) -> None:
    assert explain_connection_error(error).advice.count('operators\' guide, "The way to Meta"') == 1
