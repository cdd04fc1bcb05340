"""Webhooks about messages and citizens' accounts: statuses, preferences, new numbers."""

from tests.harness.simulator import SimulatorHarness, build_template


async def test_statuses_tell_id_recipient_callback_data_and_price(harness: SimulatorHarness) -> None:
    await harness.call_control("PUT", "faults", {"read_share": 1, "seed": 3})
    citizen = await harness.add_writer()
    _, answer = await harness.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
    account = await harness.wait_until_settled()
    assert (account["delivered"], account["read"], account["failed"]) == (1, 1, 0)
    statuses = harness.business.statuses
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    for status in statuses:
        assert status["id"] == answer["messages"][0]["id"]
        assert status["biz_opaque_callback_data"] == "dlv:1"
        assert (status["recipient_id"], status["recipient_user_id"]) == (citizen["phone"], citizen["user_id"])
    price = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}
    assert [status.get("pricing") for status in statuses] == [price, price, None]


async def test_statuses_to_a_hidden_number_name_the_user_id_only(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add(1, bsuid_only=1)
    await harness.post({"messaging_product": "whatsapp", "recipient": citizen["user_id"], **build_template()})
    await harness.wait_until_settled()
    assert len(harness.business.statuses) >= 2
    for status in harness.business.statuses:
        assert "recipient_id" not in status
        assert status["recipient_user_id"] == citizen["user_id"]
    assert citizen["phone"] not in str(harness.business.changes)


async def test_a_failure_tells_its_code_and_no_contact(harness: SimulatorHarness) -> None:
    await harness.call_control("PUT", "faults", {"fail_share": 1, "fail_code": 131049})
    (citizen,) = await harness.add()
    await harness.send(citizen["phone"], biz_opaque_callback_data="dlv:1", **build_template())
    account = await harness.wait_until_settled()
    assert (account["accepted"], account["failed"], account["delivered"]) == (1, 1, 0)
    (status,) = harness.business.statuses
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131049)
    assert "contacts" not in harness.business.changes[0]["value"]
    assert "recipient_user_id" not in status


async def test_a_changed_number_is_told_without_contacts(harness: SimulatorHarness) -> None:
    before = await harness.add_writer()
    after = await harness.call_control("POST", f"citizens/{before['id']}/number")
    message = await harness.wait_for_last_message(before)
    assert after["phone"] != before["phone"]
    assert message["type"] == "system"
    assert message["system"]["type"] == "user_changed_number"
    assert message["system"]["wa_id"] == after["phone"]
    assert message["system"]["user_id"] == after["user_id"]
    assert message["system"]["previous_user_id"] == before["user_id"]
    status, answer = await harness.send(before["phone"])
    assert (status, answer["error"]["code"]) == (400, 131026)


async def test_stopped_marketing_ends_as_failed_while_utility_goes_through(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add()
    await harness.call_control("POST", f"citizens/{citizen['id']}/preferences", {"value": "stop"})
    await harness.send(citizen["phone"], **build_template("kreisfunk_stellen_v1"), biz_opaque_callback_data="m")
    await harness.send(citizen["phone"], **build_template("kreisfunk_baustellen_v1"), biz_opaque_callback_data="u")
    await harness.wait_until_settled()
    (preference,) = harness.business.list_items("user_preferences")
    assert (preference["value"], preference["category"]) == ("stop", "marketing_messages")
    assert isinstance(preference["timestamp"], int)
    assert [change["field"] for change in harness.business.changes if "user_preferences" in change["value"]] == [
        "user_preferences"
    ]
    failures = [status for status in harness.business.statuses if status["status"] == "failed"]
    assert [(one["biz_opaque_callback_data"], one["errors"][0]["code"]) for one in failures] == [("m", 131050)]
