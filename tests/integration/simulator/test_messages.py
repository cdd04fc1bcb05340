"""The messages endpoint: Meta's answers, Meta's errors, and what the account keeps of them."""

import base64
from typing import Any

import pytest

from tests.integration.simulator.stand import OWN_NUMBER, PHONE_NUMBER_ID, Stand, running_stand, template

Body = dict[str, Any]


def interactive(**changes: Any) -> Body:
    buttons = [{"type": "reply", "reply": {"id": "t:all", "title": "Alle Themen"}}]
    body = {"type": "button", "body": {"text": "Welche Themen?"}, "action": {"buttons": buttons}}
    return {"type": "interactive", "interactive": body | changes}


def listing(rows: list[Body]) -> Body:
    action = {"button": "Themen", "sections": [{"title": "Themen", "rows": rows}]}
    return interactive(type="list", action=action)


def buttons(*titles: str) -> Body:
    replies = [{"type": "reply", "reply": {"id": f"b{at}", "title": title}} for at, title in enumerate(titles)]
    return interactive(action={"buttons": replies})


async def test_an_accepted_text_is_answered_as_by_meta_and_accounted(stand: Stand) -> None:
    citizen = await stand.add_writer()
    status, answer = await stand.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": f"+{citizen['phone']}", "wa_id": citizen["phone"]}]
    (message,) = answer["messages"]
    assert set(message) == {"id"}
    assert citizen["phone"].encode() in base64.b64decode(message["id"].removeprefix("wamid."))
    (row,) = await stand.control("GET", "account/messages")
    assert (row["sequence"], row["citizen"], row["delivery"], row["text"]) == (1, 1, "dlv:1", "Hallo")
    assert (row["type"], row["template"]) == ("text", None)


async def test_a_template_to_a_user_id_needs_no_open_window(stand: Stand) -> None:
    (citizen,) = await stand.add(1, bsuid_only=1)
    request = {"messaging_product": "whatsapp", "recipient": citizen["user_id"], **template()}
    status, answer = await stand.post(request)
    assert status == 200
    assert answer["contacts"] == [{"input": citizen["user_id"], "user_id": citizen["user_id"]}]
    assert answer["messages"][0]["message_status"] == "accepted"
    phone = await stand.control("GET", f"citizens/{citizen['id']}/messages")
    (entry,) = phone["messages"]
    assert "*L 149*\n\nGesperrt bis 18 Uhr." in entry["text"]
    assert entry["footer"] == "Abmelden: Stop"
    assert [(button["id"], button["title"]) for button in entry["buttons"]] == [("stop", "Stop")]


async def test_of_two_addresses_the_number_wins(stand: Stand) -> None:
    first, second = await stand.add(2)
    await stand.send(first["phone"], recipient=second["user_id"], **template())
    (row,) = await stand.control("GET", "account/messages")
    assert row["citizen"] == first["id"]


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"messaging_product": "telegram"}, 100, 400),
        ({"text": 5}, 100, 400),
        ({"text": {"body": "x" * 4097}}, 100, 400),
        ({"biz_opaque_callback_data": "x" * 513}, 100, 400),
        ({"to": None}, 131008, 400),
        ({"text": {"body": ""}}, 131008, 400),
        ({"text": None}, 131008, 400),
        ({"type": "template"}, 131008, 400),
        ({"type": "interactive"}, 131008, 400),
        ({"type": "image"}, 131008, 400),
        ({"type": "image", "image": {}}, 131008, 400),
        ({"to": "DE.40100200300000000"}, 131009, 400),
        ({"to": None, "recipient": "12345"}, 131009, 400),
        ({"recipient_type": "group"}, 131009, 400),
        ({"type": "image", "image": {"link": "file:///etc/passwd"}}, 131009, 400),
        ({"type": "image", "image": {"id": "4711"}}, 131009, 400),
        ({"type": "document", "document": {"link": "https://example.org/a.pdf", "caption": "x" * 1025}}, 100, 400),
        (interactive(type="flow"), 131009, 400),
        (interactive(body={"text": ""}), 131008, 400),
        (interactive(body={"text": "x" * 1025}), 131009, 400),
        (interactive(footer={"text": "x" * 61}), 100, 400),
        (interactive(header={"type": "text", "text": "x" * 61}), 100, 400),
        (buttons(), 131009, 400),
        (buttons("a", "b", "c", "d"), 131009, 400),
        (buttons("x" * 21), 131009, 400),
        (buttons("gleich", "gleich"), 131009, 400),
        (listing([]), 131009, 400),
        (listing([{"id": str(at), "title": str(at)} for at in range(11)]), 131009, 400),
        (listing([{"id": "a", "title": "x" * 25}]), 131009, 400),
        (listing([{"id": "a" * 201, "title": "x"}]), 131009, 400),
        (listing([{"id": "a", "title": "x", "description": "x" * 73}]), 100, 400),
        (listing([{"id": "a", "title": "x"}, {"id": "a", "title": "y"}]), 131009, 400),
        ({"to": f"+{OWN_NUMBER}"}, 131021, 400),
        ({"to": "+491760406999999"}, 131026, 400),
        ({"to": None, "recipient": "DE.99"}, 131026, 400),
        ({"type": "poll"}, 131051, 400),
        (template(extra="zu viel"), 132000, 400),
        (template("gibt_es_nicht_v1"), 132001, 404),
        (template(text="x" * 1000), 132005, 400),
        (template(text="Zeile\nZeile"), 132018, 400),
        (template("x" * 513), 100, 400),
        ({"type": "template", "template": {"name": "kreisfunk_stellen_v1"}}, 131008, 400),
        ({"status": "delivered", "message_id": "wamid.X"}, 131009, 400),
        ({"status": "read", "message_id": "wamid.X"}, 131009, 400),
    ],
)
async def test_what_meta_refuses_is_refused_with_its_code(stand: Stand, changes: Body, code: int, status: int) -> None:
    citizen = await stand.add_writer()
    answered, answer = await stand.send(citizen["phone"], **changes)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert set(answer["error"]) == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert answer["error"]["message"].startswith(f"(#{code}) ")
    account = await stand.account()
    assert (account["accepted"], account["rejected"]) == (0, {str(code): 1})


async def test_a_wrong_token_is_refused_first(stand: Stand) -> None:
    status, answer = await stand.post({}, token="falsch")
    assert (status, answer["error"]["code"]) == (401, 190)


async def test_an_unknown_number_is_no_object_of_metas(stand: Stand) -> None:
    status, answer = await stand.post({}, number="1234567")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)


async def test_a_body_that_is_no_json_is_an_invalid_parameter(stand: Stand) -> None:
    headers = {"Authorization": "Bearer token-of-the-graph-api"}
    path = f"{stand.url}/v26.0/{PHONE_NUMBER_ID}/messages"
    async with stand.session.post(path, data=b"{", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == 100


async def test_free_text_needs_an_open_window(stand: Stand) -> None:
    (citizen,) = await stand.add()
    status, answer = await stand.send(citizen["phone"])
    assert (status, answer["error"]["code"]) == (400, 131047)
    await stand.write(citizen, text="Start")
    status, _ = await stand.send(citizen["phone"])
    assert status == 200


@pytest.mark.parametrize(("state", "code"), [("PAUSED", 132015), ("DISABLED", 132016)])
async def test_a_stopped_template_is_refused_and_announced(stand: Stand, state: str, code: int) -> None:
    (citizen,) = await stand.add()
    await stand.control("PUT", "templates/kreisfunk_baustellen_v1", {"status": state})
    status, answer = await stand.send(citizen["phone"], **template())
    assert (status, answer["error"]["code"]) == (400, code)
    await stand.settled()
    (change,) = stand.business.changes
    assert change["field"] == "message_template_status_update"
    assert change["value"]["event"] == state


async def test_the_throughput_is_exact() -> None:
    async with running_stand(messages_per_second=3) as stand:
        citizens = await stand.add(5)
        answers = [await stand.send(citizen["phone"], **template()) for citizen in citizens]
        account = await stand.account()
        refused = [answer["error"]["code"] for status, answer in answers if status != 200]
        assert account["peak_1s"] <= 3
        assert account["accepted"] + len(refused) == account["attempted"] == 5
        assert set(refused) <= {130429}
        rows = await stand.control("GET", "account/messages")
        times = [row["accepted_at"] for row in rows]
        assert all(later - earlier >= 1 for earlier, later in zip(times, times[3:], strict=False))


async def test_more_than_a_burst_to_one_person_is_refused(stand: Stand) -> None:
    citizen = await stand.add_writer()
    answers = [await stand.send(citizen["phone"]) for _ in range(46)]
    assert [status for status, _ in answers] == [200] * 45 + [400]
    assert answers[-1][1]["error"]["code"] == 131056


async def test_marking_as_read_shows_on_the_phone(stand: Stand) -> None:
    (citizen,) = await stand.add()
    wamid = await stand.write(citizen, text="Start")
    request = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    status, answer = await stand.post({**request, "typing_indicator": {"type": "text"}})
    assert (status, answer) == (200, {"success": True})
    phone = await stand.control("GET", f"citizens/{citizen['id']}/messages")
    assert [entry["state"] for entry in phone["messages"]] == ["read"]


@pytest.mark.parametrize(
    "changes",
    [
        interactive(header={"type": "text", "text": "x" * 60}, footer={"text": "x" * 60}),
        buttons("x" * 20, "b", "c"),
        listing([{"id": "a" * 200, "title": "x" * 24, "description": "x" * 72}]),
        {"text": {"body": "x" * 4096}, "biz_opaque_callback_data": "x" * 512},
        {"type": "document", "document": {"link": "https://example.org/a.pdf", "filename": "a.pdf", "caption": "A"}},
    ],
)
async def test_what_just_fits_is_accepted(stand: Stand, changes: Body) -> None:
    citizen = await stand.add_writer()
    status, answer = await stand.send(citizen["phone"], **changes)
    assert (status, set(answer)) == (200, {"messaging_product", "contacts", "messages"})
