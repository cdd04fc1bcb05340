"""Webhooks as Meta's: signed over escaped bytes, batched, repeated until taken, never lost."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.harness.fake_business import serve_webhooks
from tests.harness.simulator import (
    CONTROL_TOKEN,
    OWN_NUMBER,
    PHONE_NUMBER_ID,
    WABA_ID,
    SimulatorHarness,
    build_template,
    run_simulator_harness,
)
from tests.servers import WAIT_TIMEOUT_SECONDS

GERMAN = "Grüße aus Osterholz-Scharmbeck: ä ö ü ß € / 🚗"


async def test_german_text_is_escaped_on_the_wire_and_signed_as_it_is_there(stand: SimulatorHarness) -> None:
    (citizen,) = await stand.add()
    wamid = await stand.write(citizen, text=GERMAN)
    await stand.business.wait_until(lambda: bool(stand.business.bodies))
    (body,) = stand.business.bodies
    assert body.isascii()
    assert rb"Gr\u00fc\u00dfe" in body
    assert rb"\/ \ud83d\ude97" in body
    assert stand.business.forged == 0
    envelope = json.loads(body)
    assert (envelope["object"], envelope["entry"][0]["id"]) == ("whatsapp_business_account", WABA_ID)
    value = stand.business.changes[0]["value"]
    assert value["metadata"] == {"display_phone_number": OWN_NUMBER, "phone_number_id": PHONE_NUMBER_ID}
    assert value["contacts"] == [
        {"profile": {"name": "Telefon 1"}, "wa_id": citizen["phone"], "user_id": citizen["user_id"]}
    ]
    (message,) = stand.business.messages
    assert message["text"] == {"body": GERMAN}
    assert (message["id"], message["from"], message["from_user_id"]) == (wamid, citizen["phone"], citizen["user_id"])
    assert message["timestamp"].isdigit()


async def test_a_citizen_may_share_a_user_id_only(stand: SimulatorHarness) -> None:
    (citizen,) = await stand.add(1, bsuid_only=1)
    await stand.write(citizen, text="Start")
    message = await stand.wait_for_last_message(citizen)
    assert "from" not in message
    assert message["from_user_id"] == citizen["user_id"]
    (contact,) = stand.business.changes[0]["value"]["contacts"]
    assert contact == {"profile": {"name": "Telefon 1"}, "user_id": citizen["user_id"]}
    assert citizen["phone"] not in str(stand.business.changes)


async def test_a_user_id_may_stand_where_the_number_is_expected(stand: SimulatorHarness) -> None:
    (citizen,) = await stand.add(1, bsuid_in_from=1)
    await stand.write(citizen, text="Start")
    message = await stand.wait_for_last_message(citizen)
    assert message["from"] == citizen["user_id"]
    assert stand.business.changes[0]["value"]["contacts"][0]["wa_id"] == citizen["user_id"]


async def test_pressing_a_templates_button_refers_to_it(stand: SimulatorHarness) -> None:
    citizen = await stand.add_writer()
    _, answer = await stand.send(citizen["phone"], **build_template(payload="stop:bau"))
    await stand.write(citizen, button="stop:bau", message=1)
    message = await stand.wait_for_last_message(citizen)
    assert (message["type"], message["button"]) == ("button", {"payload": "stop:bau", "text": "Stop"})
    assert message["context"] == {"from": OWN_NUMBER, "id": answer["messages"][0]["id"]}


async def test_choosing_from_a_list_or_a_button_is_an_interactive_reply(stand: SimulatorHarness) -> None:
    citizen = await stand.add_writer()
    rows = [{"id": "t:jobs", "title": "Stellen", "description": "Ausschreibungen"}]
    action = {"button": "Themen", "sections": [{"rows": rows}]}
    listing = {"type": "list", "body": {"text": "Themen?"}, "action": action}
    replies = [{"type": "reply", "reply": {"id": "ja", "title": "Ja"}}]
    asking = {"type": "button", "body": {"text": "Ja?"}, "action": {"buttons": replies}}
    await stand.send(citizen["phone"], type="interactive", interactive=listing)
    await stand.send(citizen["phone"], type="interactive", interactive=asking)
    await stand.write(citizen, button="t:jobs")
    await stand.write(citizen, button="ja")
    await stand.wait_until_settled()
    chosen, pressed = (message["interactive"] for message in stand.business.messages[-2:])
    assert chosen == {"type": "list_reply", "list_reply": rows[0]}
    assert pressed == {"type": "button_reply", "button_reply": {"id": "ja", "title": "Ja"}}


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        ({"media": "image"}, "image"),
        ({"media": "audio"}, "audio"),
        ({"media": "voice"}, "audio"),
        ({"media": "document"}, "document"),
        ({"location": True}, "location"),
        ({"contact": True}, "contacts"),
        ({"unsupported": "poll"}, "unsupported"),
        ({"text": "Start", "forwarded": True}, "text"),
    ],
)
async def test_other_kinds_of_messages(stand: SimulatorHarness, act: dict[str, Any], kind: str) -> None:
    (citizen,) = await stand.add()
    await stand.write(citizen, **act)
    message = await stand.wait_for_last_message(citizen)
    assert message["type"] == kind
    assert kind in message
    if kind == "unsupported":
        assert message["errors"][0]["code"] == 131051
    if kind == "audio":
        assert message["audio"].get("voice", False) == (act["media"] == "voice")
    assert message.get("context", {}).get("forwarded", False) == act.get("forwarded", False)


async def test_edits_and_revokes_name_what_was_written_before(stand: SimulatorHarness) -> None:
    (citizen,) = await stand.add()
    first = await stand.write(citizen, text="Start")
    picture = await stand.write(citizen, media="image")
    await stand.write(citizen, edit="Stop")
    await stand.write(citizen, revoke=True)
    await stand.wait_until_settled()
    messages = {message["type"]: message for message in stand.business.messages}
    edited = {"type": "text", "text": {"body": "Stop"}}
    assert messages["edit"]["edit"] == {"original_message_id": first, "message": edited}
    assert messages["revoke"]["revoke"] == {"original_message_id": picture}
    shown = (await stand.call_control("GET", f"citizens/{citizen['id']}/messages"))["messages"]
    assert [(entry["header"], entry["text"]) for entry in shown[2:]] == [("[edit]", "Stop"), ("[revoke]", "")]


async def test_a_new_number_in_the_older_shape_names_numbers_only(stand: SimulatorHarness) -> None:
    citizen, nameless = await stand.add(2, bsuid_only=1)
    paths = [f"citizens/{one['id']}/number" for one in (citizen, nameless)]
    assert (await stand.call("POST", f"/simulator/{paths[1]}", CONTROL_TOKEN, {"older_shape": True}))[0] == 409
    changed = await stand.call_control("POST", paths[0], {"older_shape": True})
    message = await stand.wait_for_last_message(citizen)
    assert (message["from"], "from_user_id" in message) == (citizen["phone"], False)
    assert message["system"].pop("body").endswith(f"from {citizen['phone']} to {changed['phone']}")
    assert message["system"] == {"type": "customer_changed_number", "new_wa_id": changed["phone"]}


async def test_a_reaction_names_the_message(stand: SimulatorHarness) -> None:
    citizen = await stand.add_writer()
    _, answer = await stand.send(citizen["phone"])
    await stand.write(citizen, reaction="👍")
    message = await stand.wait_for_last_message(citizen)
    assert message["reaction"] == {"message_id": answer["messages"][0]["id"], "emoji": "👍"}


async def test_many_updates_share_a_post(stand: SimulatorHarness) -> None:
    await stand.add(1000)
    await stand.call_control("POST", "broadcast", {"text": "Start", "per_second": 100_000})
    await stand.business.wait_until(lambda: len(stand.business.messages) == 1000)
    assert len(stand.business.bodies) < 100
    assert len({message["id"] for message in stand.business.messages}) == 1000


async def test_a_batch_can_be_limited_to_one_update() -> None:
    async with run_simulator_harness(webhook_batch=1) as stand:
        citizens = await stand.add(20)
        for citizen in citizens:
            await stand.write(citizen, text="Start")
        await stand.business.wait_until(lambda: len(stand.business.messages) == 20)
        assert len(stand.business.bodies) == 20


async def test_refused_webhooks_come_again_until_they_are_taken(stand: SimulatorHarness) -> None:
    stand.business.answers = [503, 500, 302, 404]
    (citizen,) = await stand.add()
    await stand.write(citizen, text="Start")
    await stand.business.wait_until(lambda: bool(stand.business.bodies))
    account = await stand.wait_until_settled()
    assert stand.business.refused == 4
    assert len(stand.business.messages) == 1
    assert account["webhooks"] == {"pending": 0, "sent": 1, "posts": 1, "retried": 4}


async def test_updates_are_duplicated_on_request(stand: SimulatorHarness) -> None:
    await stand.call_control("PUT", "faults", {"webhook_duplicate_share": 1})
    (citizen,) = await stand.add()
    wamid = await stand.write(citizen, text="Start")
    await stand.business.wait_until(lambda: len(stand.business.messages) == 2)
    assert [message["id"] for message in stand.business.messages] == [wamid, wamid]


async def test_updates_are_shuffled_on_request_and_none_is_lost(stand: SimulatorHarness) -> None:
    await stand.call_control("PUT", "faults", {"webhook_shuffle": True, "seed": 5})
    citizens = await stand.add(30)
    written = [await stand.write(citizen, text="Start") for citizen in citizens]
    await stand.business.wait_until(lambda: len(stand.business.messages) == 30)
    arrived = [message["id"] for message in stand.business.messages]
    assert arrived != written
    assert set(arrived) == set(written)


async def test_delayed_updates_are_pending_meanwhile(stand: SimulatorHarness) -> None:
    await stand.call_control("PUT", "faults", {"webhook_delay_seconds": 3600})
    (citizen,) = await stand.add()
    await stand.write(citizen, text="Start")
    assert (await stand.fetch_account())["webhooks"]["pending"] == 1
    assert stand.business.bodies == []


async def test_stopping_hands_over_what_waits_even_if_it_was_delayed() -> None:
    async with run_simulator_harness() as stand:
        business = stand.business
        await stand.call_control("PUT", "faults", {"webhook_delay_seconds": 3600})
        business.answers = [503]
        citizen = await stand.add_writer()
        await stand.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
        assert business.bodies == []
        stand.stopping.set()
    assert len(business.messages) == 1
    assert {"sent", "delivered"} <= {status["status"] for status in business.statuses}


async def test_several_posts_are_under_way_at_once(stand: SimulatorHarness) -> None:
    arrived = asyncio.Semaphore(0)
    released = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        arrived.release()
        await released.wait()
        return await stand.business.take(request)

    async with (
        serve_webhooks(post=slow, get=slow) as url,
        run_simulator_harness(webhook_url=url, webhook_batch=1) as other,
    ):
        for citizen in await other.add(3):
            await other.write(citizen, text="Start")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            for _ in range(3):
                await arrived.acquire()
        released.set()
        account = await other.wait_until_settled()
    assert account["webhooks"]["posts"] == 3
