"""An account is set up as Meta's customers do: nothing is there at first, nothing comes before it is subscribed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.fake_business import APP_SECRET, VERIFY_TOKEN
from tests.harness.simulator import (
    GRAPH_TOKEN,
    WABA_ID,
    Answer,
    SimulatorHarness,
    run_simulator_harness,
)

APP_ID = "600700800900100"
APP_TOKEN = f"{APP_ID}|{APP_SECRET}"
FIELDS = "messages,message_template_status_update"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def harness() -> AsyncIterator[SimulatorHarness]:
    async with run_simulator_harness(new_account=True, review_seconds=0) as running:
        yield running


async def subscribe_app(harness: SimulatorHarness, token: str = APP_TOKEN, **changes: str) -> Answer:
    body = {
        "object": "whatsapp_business_account",
        "callback_url": harness.business.url,
        "verify_token": VERIFY_TOKEN,
        "fields": FIELDS,
        **changes,
    }
    return await harness.call("POST", f"/v26.0/{APP_ID}/subscriptions", token, body)


async def subscribe_account(harness: SimulatorHarness, **body: str) -> Answer:
    return await harness.call("POST", f"/v26.0/{WABA_ID}/subscribed_apps", GRAPH_TOKEN, body)


def build_definition(**changes: Any) -> dict[str, Any]:
    text = "Sperrung: {{headline}}. Danke."
    example = {"body_text_named_params": [{"param_name": "headline", "example": "L 149"}]}
    body = {"type": "BODY", "text": text, "example": example}
    return {
        "name": "sperrung_v1",
        "language": "de",
        "category": "UTILITY",
        "parameter_format": "named",
        "components": [body],
        **changes,
    }


async def create(harness: SimulatorHarness, definition: dict[str, Any]) -> Answer:
    return await harness.call("POST", f"/v26.0/{WABA_ID}/message_templates", GRAPH_TOKEN, definition)


async def test_before_app_and_account_are_subscribed_events_are_lost(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add()
    await harness.write(citizen, text="nobody hears this")
    assert await subscribe_app(harness) == (200, {"success": True})
    await harness.write(citizen, text="nor this")
    assert await subscribe_account(harness) == (200, {"success": True})
    await harness.write(citizen, text="Start")
    await harness.wait_until_settled()
    assert [message["text"]["body"] for message in harness.business.messages] == ["Start"]
    await harness.call_control("PUT", "tier", {"people_a_day": 250})  # a field that was not subscribed
    await harness.wait_until_settled()
    assert len(harness.business.changes) == 1


async def test_the_handshake_decides_about_an_address(harness: SimulatorHarness) -> None:
    status, answer = await subscribe_app(harness, verify_token="another-token")
    assert (status, answer["error"]["code"]) == (400, 2200)
    assert "HTTP Status Code = 403" in answer["error"]["error_data"]["details"]
    status, answer = await subscribe_account(harness, override_callback_uri="http://127.0.0.1:1/", verify_token="t")
    assert (status, answer["error"]["code"]) == (400, 2200)
    _, listed = await harness.call("GET", f"/v26.0/{APP_ID}/subscriptions", APP_TOKEN)
    _, apps = await harness.call_graph(f"{WABA_ID}/subscribed_apps")
    assert listed["data"] == apps["data"] == []


@pytest.mark.parametrize(("token", "code"), [(GRAPH_TOKEN, 15), (f"{APP_ID}|another-secret", 190), ("something", 190)])
async def test_the_app_is_changed_with_its_own_token_only(harness: SimulatorHarness, token: str, code: int) -> None:
    _, answer = await subscribe_app(harness, token)
    assert answer["error"]["code"] == code
    assert harness.business.handshakes == []


async def test_a_token_tells_its_app_and_what_it_may_do(harness: SimulatorHarness) -> None:
    for token in (GRAPH_TOKEN, APP_TOKEN):
        _, answer = await harness.call("GET", f"/v26.0/debug_token?input_token={GRAPH_TOKEN}", token)
        assert (answer["data"]["app_id"], answer["data"]["is_valid"]) == (APP_ID, True)
    _, answer = await harness.call("GET", "/v26.0/debug_token?input_token=another", APP_TOKEN)
    assert answer["data"]["is_valid"] is False
    _, refused = await harness.call("GET", f"/v26.0/debug_token?input_token={GRAPH_TOKEN}", "another")
    assert refused["error"]["code"] == 190


async def test_a_new_template_is_approved_after_its_review_and_the_business_is_told(harness: SimulatorHarness) -> None:
    await subscribe_app(harness)
    await subscribe_account(harness)
    status, answer = await create(harness, build_definition(status="APPROVED", id="1"))
    assert (status, answer["status"], answer["category"]) == (200, "PENDING", "UTILITY")
    await harness.wait_until_settled()
    (change,) = harness.business.changes
    assert (change["value"]["event"], change["value"]["message_template_id"]) == ("APPROVED", int(answer["id"]))
    _, listed = await harness.call_graph(f"{WABA_ID}/message_templates?fields=status,rejected_reason")
    assert listed["data"] == [{"id": answer["id"], "status": "APPROVED", "rejected_reason": "NONE"}]
    assert (await create(harness, build_definition()))[1]["error"]["error_subcode"] == 2388024


@pytest.mark.parametrize(
    ("component", "subcode"),
    [
        ({"type": "BODY", "text": "x" * 1025}, 2388040),
        ({"type": "BODY", "text": "Sperrung: {{headline}} endet."}, 2388043),
        ({"type": "BODY", "text": "Sperrung: {{headline}}", "example": {}}, 2388299),
        ({"type": "BODY", "text": "{{headline}} gesperrt.", "example": {}}, 2388299),
    ],
)
async def test_a_template_that_is_not_taken_says_why(
    harness: SimulatorHarness, component: dict[str, Any], subcode: int
) -> None:
    status, answer = await create(harness, build_definition(components=[component]))
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, subcode)


async def test_a_picture_is_uploaded_before_its_template(harness: SimulatorHarness) -> None:
    def build(handle: str) -> dict[str, Any]:
        header = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}}
        return build_definition(components=[header, *build_definition()["components"]])

    assert (await create(harness, build("4::made-up")))[1]["error"]["error_subcode"] == 2494102
    about = f"file_length={len(PNG)}&file_type=image/png"
    _, begun = await harness.call("POST", f"/v26.0/{APP_ID}/uploads?{about}", GRAPH_TOKEN)
    status, refused = await harness.call("POST", f"/v26.0/{begun['id']}", GRAPH_TOKEN)
    assert (status, refused["error"]["code"]) == (401, 190), "an upload has the token in another scheme"
    headers = {"Authorization": f"OAuth {GRAPH_TOKEN}", "file_offset": "0"}
    async with harness.session.post(f"{harness.url}/v26.0/{begun['id']}", data=PNG, headers=headers) as answer:
        handle = (await answer.json())["h"]
    assert (await create(harness, build(handle)))[0] == 200
