"""A request is made when its delivery is claimed; one that cannot be made says so when it is to be sent."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
import pytest

from deploy.local.ports import LOOPBACK
from services.dispatcher.adapters.graph_api import GraphApi
from services.dispatcher.domain.claims import Claim, Instant
from services.dispatcher.domain.reachability import UNDECRYPTABLE_REASON
from services.dispatcher.domain.send_results import Accepted, ErrorResponse, NoResponse, Refused, SendResult
from shared.contracts.message import Address, AddressKind, Lane
from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.clock import read_clocks
from shared.runtime.post_client import HttpAnswer, PostClient
from tests.harness.website import build_text_answer, run_website

KEY = base64.b64encode(bytes(32)).decode()
OTHER_KEY = base64.b64encode(bytes(31) + b"1").decode()
NUMBER = "491760406900001"


def claim() -> Claim:
    index = bytes(16)
    encrypted = KeyRing.parse(f"1:{KEY}").encrypt(NUMBER.encode(), purpose=AddressKind.PHONE.value, index=index)
    address = Address(kind=AddressKind.PHONE, index=index, sealed=encrypted)
    now = datetime.now(UTC)
    return Claim(uuid4(), Lane.BULK, address, {"type": "template"}, now, now, Instant(*read_clocks()))


def graph(session: aiohttp.ClientSession, key: str) -> GraphApi:
    client = PostClient(f"http://{LOOPBACK}:1/", headers={}, late_seconds=1)
    return GraphApi(client, KeyRing.parse(f"1:{key}"), BlindIndexKey.parse(KEY), session, f"http://{LOOPBACK}:1/")


async def test_a_request_is_made_beforehand_and_is_not_shown_with_its_claim() -> None:
    claims = [claim(), claim()]
    async with aiohttp.ClientSession() as session:
        graph(session, KEY).prepare(claims)
    for one in claims:
        assert one.request is not None
        request = json.loads(one.request)
        assert (request["to"], request["biz_opaque_callback_data"]) == (f"+{NUMBER}", str(one.delivery))
        assert NUMBER not in repr(one)


async def test_what_cannot_be_decrypted_takes_no_other_with_it_and_says_so_at_its_slot() -> None:
    broken, whole = claim(), claim()
    broken = replace(broken, address=Address(kind=AddressKind.PHONE, index=b"", sealed=b"\x01"))
    async with aiohttp.ClientSession() as session:
        api = graph(session, KEY)
        api.prepare([broken, whole])
        assert (broken.request is None, whole.request is None) == (True, False)
        sent = api.send(broken, lambda: True)
        await asyncio.wait([sent])
        assert api.answer(sent) == Refused(UNDECRYPTABLE_REASON)


async def test_a_replica_with_a_wrong_key_leaves_a_contact_to_one_with_the_right_key() -> None:
    async with run_website() as website, aiohttp.ClientSession() as session:
        website.pages["/contacts"] = build_text_answer(b'{"success": true}')
        url = f"{website.url}/contacts"
        assert not await replace(graph(session, OTHER_KEY), contact_book_url=url).delete_contact(claim().address)
        assert await replace(graph(session, KEY), contact_book_url=url).delete_contact(claim().address)
    assert [request.path for request in website.requests] == ["/contacts"]


async def test_a_user_id_is_not_taken_elsewhere_by_a_redirect() -> None:
    async with run_website() as website, aiohttp.ClientSession() as session:
        website.pages["/contacts"] = build_text_answer(b"", status=307, headers={"Location": "/elsewhere"})
        api = replace(graph(session, KEY), contact_book_url=f"{website.url}/contacts")
        assert not await api.delete_contact(claim().address)
    assert [request.path for request in website.requests] == ["/contacts"]


PAGE = b"<html><body><h1>Not found</h1></body></html>"


def build_error(code: int, **more: object) -> bytes:
    return json.dumps({"error": {"code": code, "fbtrace_id": "A", **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "deleted"),
    [
        (200, b'{"success": true}', True),
        (204, b"", True),
        (400, build_error(100), True),
        (404, build_error(100), True),
        (400, build_error(4), False),
        (400, build_error(80007), False),
        (400, build_error(100, error_subcode=33), False),
        (401, build_error(190), False),
        (500, build_error(131000), False),
        (200, PAGE, False),
        (400, PAGE, False),
        (404, PAGE, False),
    ],
)
async def test_a_contact_counts_as_deleted_only_if_meta_says_so_or_does_not_know_it(
    status: int, body: bytes, deleted: bool
) -> None:
    async with run_website() as website, aiohttp.ClientSession() as session:
        website.pages["/contacts"] = build_text_answer(body, status=status)
        api = replace(graph(session, KEY), contact_book_url=f"{website.url}/contacts")
        assert await api.delete_contact(claim().address) is deleted


async def interpret(status: int, body: bytes) -> SendResult:
    sent = asyncio.get_running_loop().create_future()
    sent.set_result(HttpAnswer(status, {}, body))
    async with aiohttp.ClientSession() as session:
        return graph(session, KEY).answer(sent)


RESET = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"
ACCEPTANCE = json.dumps({"messages": [{"id": "wamid.1"}]}).encode()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(("body", "result"), [(ACCEPTANCE, Accepted), (b"<html>queued</html>", NoResponse)])
async def test_after_a_success_of_any_number_a_message_is_not_sent_again(
    status: int, body: bytes, result: type[SendResult]
) -> None:
    assert isinstance(await interpret(status, body), result)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_after_an_error_of_a_gateway_a_message_is_not_sent_again(status: int) -> None:
    """Envoy answers 503 also if the connection broke after it had passed the request on."""
    assert isinstance(await interpret(status, RESET), NoResponse)


FOREIGN_REASON = "HTTP {} that is not from Meta"


@pytest.mark.parametrize(
    ("status", "error", "result"),
    [
        (308, {}, Refused(FOREIGN_REASON.format(308), foreign=True)),  # a redirection, which is not followed
        (403, {"code": 403}, Refused(FOREIGN_REASON.format(403), foreign=True)),
        (429, {"code": 429, "status": "UNAVAILABLE"}, Refused(FOREIGN_REASON.format(429), foreign=True)),
        (502, {"code": 502, "fbtrace_id": ""}, NoResponse(FOREIGN_REASON.format(502), foreign=True)),
        (504, {"code": 504}, NoResponse(FOREIGN_REASON.format(504), foreign=True)),
        (503, {"code": 131999, "fbtrace_id": "A"}, NoResponse("HTTP 503 with a code that is not listed")),
        (503, {"code": 131016}, ErrorResponse(131016, 503)),
        (400, {"code": 131999, "fbtrace_id": "A"}, ErrorResponse(131999, 400)),
        (400, {"code": "100"}, Refused(FOREIGN_REASON.format(400), foreign=True)),
        (400, {"code": 100}, ErrorResponse(100, 400)),
        # Our number is hidden from this token, which is not the message's fault.
        (400, {"code": 100, "error_subcode": 33}, ErrorResponse(33, 400)),
        (400, {"code": 100, "error_subcode": "33", "error_data": 7}, ErrorResponse(100, 400)),
        (400, {"code": 131009, "error_subcode": 33}, ErrorResponse(131009, 400)),
    ],
)
async def test_an_error_with_a_code_is_metas_if_meta_has_listed_or_signed_it(
    status: int, error: dict[str, object], result: SendResult
) -> None:
    """A gateway in between has no say on a message, and a code that nobody knows beside a 5xx proves nothing."""
    assert await interpret(status, json.dumps({"error": error}).encode()) == result
