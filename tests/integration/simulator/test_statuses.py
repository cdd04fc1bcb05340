"""What the business hears of its messages and of citizens' accounts: statuses, preferences, new numbers."""

from tests.harness.simulator import SimulatorHarness, build_template


async def test_statuses_tell_id_recipient_callback_data_and_price(stand: SimulatorHarness) -> None:
    await stand.call_control("PUT", "faults", {"read_share": 1, "seed": 3})
    citizen = await stand.add_writer()
    _, answer = await stand.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
    account = await stand.wait_until_settled()
    assert (account["delivered"], account["read"], account["failed"]) == (1, 1, 0)
    statuses = stand.business.statuses
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    for status in statuses:
        assert status["id"] == answer["messages"][0]["id"]
        assert status["biz_opaque_callback_data"] == "dlv:1"
        assert (status["recipient_id"], status["recipient_user_id"]) == (citizen["phone"], citizen["user_id"])
    price = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}
    assert [status.get("pricing") for status in statuses] == [price, price, None]


async def test_statuses_to_a_hidden_number_name_the_user_id_only(stand: SimulatorHarness) -> None:
    (citizen,) = await stand.add(1, bsuid_only=1)
    await stand.post({"messaging_product": "whatsapp", "recipient": citizen["user_id"], **build_template()})
    await stand.wait_until_settled()
    assert len(stand.business.statuses) >= 2
    for status in stand.business.statuses:
        assert "recipient_id" not in status
        assert status["recipient_user_id"] == citizen["user_id"]
    assert citizen["phone"] not in str(stand.business.changes)


async def test_a_failure_tells_its_code_and_no_contact(stand: SimulatorHarness) -> None:
    await stand.call_control("PUT", "faults", {"fail_share": 1, "fail_code": 131049})
    (citizen,) = await stand.add()
    await stand.send(citizen["phone"], biz_opaque_callback_data="dlv:1", **build_template())
    account = await stand.wait_until_settled()
    assert (account["accepted"], account["failed"], account["delivered"]) == (1, 1, 0)
    (status,) = stand.business.statuses
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131049)
    assert "contacts" not in stand.business.changes[0]["value"]
    assert "recipient_user_id" not in status


async def test_a_changed_number_is_told_without_contacts(stand: SimulatorHarness) -> None:
    before = await stand.add_writer()
    after = await stand.call_control("POST", f"citizens/{before['id']}/number")
    message = await stand.wait_for_last_message(before)
    assert after["phone"] != before["phone"]
    assert message["type"] == "system"
    assert message["system"]["type"] == "user_changed_number"
    assert message["system"]["wa_id"] == after["phone"]
    assert message["system"]["user_id"] == after["user_id"]
    assert message["system"]["previous_user_id"] == before["user_id"]
    status, answer = await stand.send(before["phone"])
    assert (status, answer["error"]["code"]) == (400, 131026)


async def test_stopped_marketing_ends_as_failed_while_utility_goes_through(stand: SimulatorHarness) -> None:
    (citizen,) = await stand.add()
    await stand.call_control("POST", f"citizens/{citizen['id']}/preferences", {"value": "stop"})
    await stand.send(citizen["phone"], **build_template("kreisfunk_stellen_v1"), biz_opaque_callback_data="m")
    await stand.send(citizen["phone"], **build_template("kreisfunk_baustellen_v1"), biz_opaque_callback_data="u")
    await stand.wait_until_settled()
    (preference,) = stand.business.list_items("user_preferences")
    assert (preference["value"], preference["category"]) == ("stop", "marketing_messages")
    assert isinstance(preference["timestamp"], int)
    failures = [status for status in stand.business.statuses if status["status"] == "failed"]
    assert [(one["biz_opaque_callback_data"], one["errors"][0]["code"]) for one in failures] == [("m", 131050)]
