"""The messages endpoint: Meta's answers, Meta's errors, and what the account keeps of them."""

import base64

import pytest

from tests.harness.simulator import PHONE_NUMBER_ID, SimulatorHarness, build_template, run_simulator_harness


async def test_an_accepted_text_is_answered_as_by_meta_and_accounted(harness: SimulatorHarness) -> None:
    citizen = await harness.add_writer()
    status, answer = await harness.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": f"+{citizen['phone']}", "wa_id": citizen["phone"]}]
    (message,) = answer["messages"]
    assert set(message) == {"id"}
    assert citizen["phone"].encode() in base64.b64decode(message["id"].removeprefix("wamid."))
    (row,) = await harness.call_control("GET", "account/messages")
    assert (row["sequence"], row["citizen"], row["delivery"], row["text"]) == (1, 1, "dlv:1", "Hallo")
    assert (row["type"], row["template"]) == ("text", None)


async def test_a_template_to_a_user_id_needs_no_open_window(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add(1, bsuid_only=1)
    request = {"messaging_product": "whatsapp", "recipient": citizen["user_id"], **build_template()}
    status, answer = await harness.post(request)
    assert status == 200
    assert answer["contacts"] == [{"input": citizen["user_id"], "user_id": citizen["user_id"]}]
    assert answer["messages"][0]["message_status"] == "accepted"
    phone = await harness.call_control("GET", f"citizens/{citizen['id']}/messages")
    (entry,) = phone["messages"]
    assert "*L 149*\n\nGesperrt bis 18 Uhr." in entry["text"]
    assert entry["footer"] == "Abmelden: Stop"
    # The payload of the first is ours; Meta makes the others' of their texts.
    assert [(button["id"], button["title"]) for button in entry["buttons"]] == [
        ("stop", "Stop"),
        ("Hilfreich", "Hilfreich"),
        ("Nicht hilfreich", "Nicht hilfreich"),
    ]


async def test_of_two_addresses_the_number_wins(harness: SimulatorHarness) -> None:
    first, second = await harness.add(2)
    await harness.send(first["phone"], recipient=second["user_id"], **build_template())
    (row,) = await harness.call_control("GET", "account/messages")
    assert row["citizen"] == first["id"]


async def test_a_wrong_token_is_refused_first_and_an_unknown_number_is_no_object_of_metas(
    harness: SimulatorHarness,
) -> None:
    status, answer = await harness.post({}, token="falsch")
    assert (status, answer["error"]["code"]) == (401, 190)
    status, answer = await harness.post({}, number="1234567")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)


async def test_a_body_that_is_no_json_is_an_invalid_parameter(harness: SimulatorHarness) -> None:
    headers = {"Authorization": "Bearer token-of-the-graph-api"}
    path = f"{harness.url}/v26.0/{PHONE_NUMBER_ID}/messages"
    async with harness.session.post(path, data=b"{", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == 100


async def test_free_text_needs_an_open_window(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add()
    status, answer = await harness.send(citizen["phone"])
    assert (status, answer["error"]["code"]) == (400, 131047)
    await harness.write(citizen, text="Start")
    status, _ = await harness.send(citizen["phone"])
    assert status == 200


@pytest.mark.parametrize(("state", "code"), [("PAUSED", 132015), ("DISABLED", 132016)])
async def test_a_stopped_template_is_refused_and_announced(harness: SimulatorHarness, state: str, code: int) -> None:
    (citizen,) = await harness.add()
    await harness.call_control("PUT", "templates/kreisfunk_baustellen_v1", {"status": state})
    status, answer = await harness.send(citizen["phone"], **build_template())
    assert (status, answer["error"]["code"]) == (400, code)
    await harness.wait_until_settled()
    (change,) = harness.business.changes
    assert change["field"] == "message_template_status_update"
    assert change["value"]["event"] == state


async def test_the_throughput_is_exact() -> None:
    async with run_simulator_harness(messages_per_second=3) as harness:
        citizens = await harness.add(5)
        answers = [await harness.send(citizen["phone"], **build_template()) for citizen in citizens]
        account = await harness.fetch_account()
        refused = [answer["error"]["code"] for status, answer in answers if status != 200]
        assert account["peak_1s"] <= 3
        assert account["accepted"] + len(refused) == account["attempted"] == 5
        assert set(refused) <= {130429}
        rows = await harness.call_control("GET", "account/messages")
        times = [row["accepted_at"] for row in rows]
        assert all(later - earlier >= 1 for earlier, later in zip(times, times[3:], strict=False))


@pytest.mark.parametrize(("interval", "codes"), [(6, [131056]), (0, [])], ids=["with a quota", "without"])
async def test_more_than_a_burst_to_one_person_is_refused(interval: float, codes: list[int]) -> None:
    async with run_simulator_harness(pair_interval_seconds=interval) as harness:
        citizen = await harness.add_writer()
        answers = [await harness.send(citizen["phone"]) for _ in range(46)]
    assert [status for status, _ in answers[:45]] == [200] * 45
    assert [answer["error"]["code"] for status, answer in answers if status != 200] == codes
