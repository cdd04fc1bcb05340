"""The client of Meta's Graph API keeps numbers and tokens to itself, and explains every refusal."""

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from cli.meta import GraphRefusal, MetaClient, explain_connection_error
from cli.meta_errors import ADVICE, explain_code, explain_error
from services.dispatcher.domain.errors import ERROR_RULES, UNKNOWN_CODE
from tests.harness.website import build_text_answer, run_website


async def test_a_redirect_is_not_followed_with_number_and_token() -> None:
    async with run_website() as website, aiohttp.ClientSession() as session:
        website.pages["/1/messages"] = build_text_answer(b"", status=307, headers={"Location": "/elsewhere"})
        client = MetaClient(session=session, base_url=website.url, token="t")
        with pytest.raises(GraphRefusal, match="status 307"):
            await client.post("1/messages", {"to": "+4947919300"})
    assert [request.path for request in website.requests] == ["/1/messages"]


META = ConnectionKey("graph.facebook.com", 443, True, True, None, None, None)
UNTRUSTED, NO_TLS = ssl.SSLCertVerificationError(), ssl.SSLError()
UNTRUSTED.verify_message, NO_TLS.reason = "unable to get local issuer certificate", "WRONG_VERSION_NUMBER"


@pytest.mark.parametrize(
    ("error", "look"),
    [
        (aiohttp.ClientConnectorDNSError(META, OSError()), "this machine's DNS"),
        (aiohttp.ClientConnectorCertificateError(META, UNTRUSTED), "a CA of your own"),
        (aiohttp.ClientConnectorSSLError(META, NO_TLS), "what answers on its port"),
        (aiohttp.ClientConnectorError(META, ConnectionRefusedError()), "the way out to the internet"),
        (aiohttp.ServerDisconnectedError(), "the way out to the internet"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_why_meta_is_not_reached_leads_to_what_to_look_at(error: aiohttp.ClientError, look: str) -> None:
    advice = explain_connection_error(error).advice
    assert (look in advice, advice.count('operators\' guide, "Connection to Meta"')) == (True, 1)


@pytest.mark.parametrize("code", sorted({*ERROR_RULES, *ADVICE}))
def test_every_known_code_has_a_meaning_and_advice(code: int) -> None:
    problem = explain_code(code)
    assert problem.what not in ("", UNKNOWN_CODE.meaning)
    assert problem.advice.endswith(".")


def test_an_unknown_code_says_so_and_permissions_are_a_range() -> None:
    assert explain_code(99_999).what == UNKNOWN_CODE.meaning
    assert explain_code(294) == explain_code(10)


def test_metas_own_words_are_told_unless_they_may_hold_a_secret() -> None:
    told = explain_error(400, {"code": 100, "error_subcode": 2388299, "error_user_msg": "Variables are at the end"})
    assert told.what == (
        'a variable is first or last in the text (code 100/2388299, Meta says: "Variables are at the end")'
    )
    silent = explain_error(401, {"code": 190, "message": "Malformed access token EAAG123"})
    assert "EAAG123" not in silent.what + silent.advice
