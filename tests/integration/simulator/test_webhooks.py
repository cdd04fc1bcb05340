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


async def test_german_text_is_escaped_on_the_wire_and_signed_as_it_is_there(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add()
    wamid = await harness.write(citizen, text=GERMAN)
    await harness.business.wait_until(lambda: bool(harness.business.bodies))
    (body,) = harness.business.bodies
    assert body.isascii()
    assert rb"Gr\u00fc\u00dfe" in body
    assert rb"\/ \ud83d\ude97" in body
    assert harness.business.forged == 0
    envelope = json.loads(body)
    assert (envelope["object"], envelope["entry"][0]["id"]) == ("whatsapp_business_account", WABA_ID)
    value = harness.business.changes[0]["value"]
    assert value["metadata"] == {"display_phone_number": OWN_NUMBER, "phone_number_id": PHONE_NUMBER_ID}
    assert value["contacts"] == [
        {"profile": {"name": "Telefon 1"}, "wa_id": citizen["phone"], "user_id": citizen["user_id"]}
    ]
    (message,) = harness.business.messages
    assert message["text"] == {"body": GERMAN}
    assert (message["id"], message["from"], message["from_user_id"]) == (wamid, citizen["phone"], citizen["user_id"])
    assert message["timestamp"].isdigit()


@pytest.mark.parametrize(
    ("sharing", "fields"), [("bsuid_only", ("from_user_id", "user_id")), ("bsuid_in_from", ("from", "wa_id"))]
)
async def test_a_citizen_may_share_a_user_id_only_also_where_the_number_is_expected(
    harness: SimulatorHarness, sharing: str, fields: tuple[str, str]
) -> None:
    (citizen,) = await harness.add(1, **{sharing: 1})
    await harness.write(citizen, text="Start")
    message = await harness.wait_for_last_message(citizen)
    assert {name: message[name] for name in message if name.startswith("from")} == {fields[0]: citizen["user_id"]}
    (contact,) = harness.business.changes[0]["value"]["contacts"]
    assert contact == {"profile": {"name": "Telefon 1"}, fields[1]: citizen["user_id"]}
    assert citizen["phone"] not in str(harness.business.changes)


async def test_pressing_a_templates_button_refers_to_it(harness: SimulatorHarness) -> None:
    citizen = await harness.add_writer()
    _, answer = await harness.send(citizen["phone"], **build_template(payload="stop:bau"))
    await harness.write(citizen, button="stop:bau", message=1)
    message = await harness.wait_for_last_message(citizen)
    assert (message["type"], message["button"]) == ("button", {"payload": "stop:bau", "text": "Stop"})
    assert message["context"] == {"from": OWN_NUMBER, "id": answer["messages"][0]["id"]}


async def test_choosing_from_a_list_or_a_button_is_an_interactive_reply(harness: SimulatorHarness) -> None:
    citizen = await harness.add_writer()
    rows = [{"id": "t:jobs", "title": "Stellen", "description": "Ausschreibungen"}]
    action = {"button": "Themen", "sections": [{"rows": rows}]}
    listing = {"type": "list", "body": {"text": "Themen?"}, "action": action}
    replies = [{"type": "reply", "reply": {"id": "ja", "title": "Ja"}}]
    asking = {"type": "button", "body": {"text": "Ja?"}, "action": {"buttons": replies}}
    await harness.send(citizen["phone"], type="interactive", interactive=listing)
    await harness.send(citizen["phone"], type="interactive", interactive=asking)
    await harness.write(citizen, button="t:jobs")
    await harness.write(citizen, button="ja")
    await harness.wait_until_settled()
    chosen, pressed = (message["interactive"] for message in harness.business.messages[-2:])
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
async def test_other_kinds_of_messages(harness: SimulatorHarness, act: dict[str, Any], kind: str) -> None:
    (citizen,) = await harness.add()
    await harness.write(citizen, **act)
    message = await harness.wait_for_last_message(citizen)
    assert message["type"] == kind
    assert kind in message
    if kind == "unsupported":
        assert message["errors"][0]["code"] == 131051
    if kind == "audio":
        assert message["audio"].get("voice", False) == (act["media"] == "voice")
    assert message.get("context", {}).get("forwarded", False) == act.get("forwarded", False)


async def test_edits_and_revokes_name_what_was_written_before(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add()
    first = await harness.write(citizen, text="Start")
    picture = await harness.write(citizen, media="image")
    await harness.write(citizen, edit="Stop")
    await harness.write(citizen, revoke=True)
    await harness.wait_until_settled()
    messages = {message["type"]: message for message in harness.business.messages}
    edited = {"type": "text", "text": {"body": "Stop"}}
    assert messages["edit"]["edit"] == {"original_message_id": first, "message": edited}
    assert messages["revoke"]["revoke"] == {"original_message_id": picture}
    shown = (await harness.call_control("GET", f"citizens/{citizen['id']}/messages"))["messages"]
    assert [(entry["header"], entry["text"]) for entry in shown[2:]] == [("[edit]", "Stop"), ("[revoke]", "")]


async def test_a_new_number_in_the_older_shape_names_numbers_only(harness: SimulatorHarness) -> None:
    citizen, nameless = await harness.add(2, bsuid_only=1)
    paths = [f"citizens/{one['id']}/number" for one in (citizen, nameless)]
    assert (await harness.call("POST", f"/simulator/{paths[1]}", CONTROL_TOKEN, {"older_shape": True}))[0] == 409
    changed = await harness.call_control("POST", paths[0], {"older_shape": True})
    message = await harness.wait_for_last_message(citizen)
    assert (message["from"], "from_user_id" in message) == (citizen["phone"], False)
    assert message["system"].pop("body").endswith(f"from {citizen['phone']} to {changed['phone']}")
    assert message["system"] == {"type": "customer_changed_number", "new_wa_id": changed["phone"]}


async def test_a_reaction_names_the_message(harness: SimulatorHarness) -> None:
    citizen = await harness.add_writer()
    _, answer = await harness.send(citizen["phone"])
    await harness.write(citizen, reaction="👍")
    message = await harness.wait_for_last_message(citizen)
    assert message["reaction"] == {"message_id": answer["messages"][0]["id"], "emoji": "👍"}


async def test_in_a_broadcast_every_citizen_writes_once_and_updates_share_a_post(
    harness: SimulatorHarness,
) -> None:
    await harness.add(1000)
    answer = await harness.call_control("POST", "broadcast", {"text": "Start", "per_second": 100_000})
    assert answer == {"citizens": 1000}
    await harness.business.wait_until(lambda: len(harness.business.messages) == 1000)
    assert len(harness.business.bodies) < 100
    for name in ("id", "from"):
        assert len({message[name] for message in harness.business.messages}) == 1000
    assert (await harness.fetch_account())["inbound"] == 1000


async def test_refused_webhooks_come_again_until_they_are_taken(harness: SimulatorHarness) -> None:
    harness.business.answers = [503, 500, 302, 404]
    (citizen,) = await harness.add()
    await harness.write(citizen, text="Start")
    await harness.business.wait_until(lambda: bool(harness.business.bodies))
    account = await harness.wait_until_settled()
    assert harness.business.refused == 4
    assert len(harness.business.messages) == 1
    assert account["webhooks"] == {"pending": 0, "sent": 1, "posts": 1, "retried": 4}


async def test_updates_are_duplicated_on_request(harness: SimulatorHarness) -> None:
    await harness.call_control("PUT", "faults", {"webhook_duplicate_share": 1})
    (citizen,) = await harness.add()
    wamid = await harness.write(citizen, text="Start")
    await harness.business.wait_until(lambda: len(harness.business.messages) == 2)
    assert [message["id"] for message in harness.business.messages] == [wamid, wamid]


async def test_updates_are_shuffled_on_request_and_none_is_lost(harness: SimulatorHarness) -> None:
    await harness.call_control("PUT", "faults", {"webhook_shuffle": True, "seed": 5})
    citizens = await harness.add(30)
    written = [await harness.write(citizen, text="Start") for citizen in citizens]
    await harness.business.wait_until(lambda: len(harness.business.messages) == 30)
    arrived = [message["id"] for message in harness.business.messages]
    assert arrived != written
    assert set(arrived) == set(written)


async def test_delayed_updates_are_pending_meanwhile(harness: SimulatorHarness) -> None:
    await harness.call_control("PUT", "faults", {"webhook_delay_seconds": 3600})
    (citizen,) = await harness.add()
    await harness.write(citizen, text="Start")
    assert (await harness.fetch_account())["webhooks"]["pending"] == 1
    assert harness.business.bodies == []


async def test_stopping_hands_over_what_waits_even_if_it_was_delayed() -> None:
    async with run_simulator_harness() as harness:
        business = harness.business
        await harness.call_control("PUT", "faults", {"webhook_delay_seconds": 3600})
        business.answers = [503]
        citizen = await harness.add_writer()
        await harness.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
        assert business.bodies == []
        harness.stopping.set()
    assert len(business.messages) == 1
    assert {"sent", "delivered"} <= {status["status"] for status in business.statuses}


async def test_several_posts_are_under_way_at_once(harness: SimulatorHarness) -> None:
    arrived = asyncio.Semaphore(0)
    released = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        arrived.release()
        await released.wait()
        return await harness.business.take(request)

    async with (
        serve_webhooks(post=slow, get=slow) as url,
        run_simulator_harness(webhook_url=url) as other,
        asyncio.timeout(WAIT_TIMEOUT_SECONDS),
    ):
        for citizen in await other.add(3):
            await other.write(citizen, text="Start")
            await arrived.acquire()
        released.set()
        account = await other.wait_until_settled()
    assert account["webhooks"]["posts"] == 3
