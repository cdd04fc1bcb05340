"""An event answered with 202 is on the queue, whole, with the system of the token."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import pytest

from services.subscriptions.domain.notice_commands import read_request
from shared.contracts.envelope import read_envelope
from shared.notices.cloudevents import AmqpMessage
from shared.notices.configuration import NOTICES_API_LOGIN
from tests.factories.citizens import COUNTY
from tests.harness.notices_api import BATCH, UPDATED, WITHDRAWN, NoticesApi, data, event, soon
from tests.harness.notices_county import PRESS_SOURCE, ROADS_SOURCE
from tests.integration.notices.conftest import NoticeQueue
from tests.servers import wait_for


async def take_without_time(notices: NoticeQueue) -> list[dict[str, Any]]:
    """All events but for when they came, which is different each time."""
    return [{name: value for name, value in found.items() if name != "time"} for found, _ in await notices.take()]


async def test_a_structured_event_is_published_and_can_be_followed(api: NoticesApi, notices: NoticeQueue) -> None:
    sent = event(data=data())
    answer = await api.publish(sent)
    assert answer.status == 202, answer.text
    assert answer.headers["Location"] == answer.body["event"]
    assert answer.body == {
        "event": answer.headers["Location"],
        "source": sent["source"],
        "id": sent["id"],
        "notice": sent["subject"],
    }
    [(found, message)] = await notices.take()
    assert {**sent, "kreisfunksystem": "pressestelle", "time": ""}.keys() == found.keys()
    assert (found["data"], found["kreisfunksystem"]) == (sent["data"], "pressestelle")
    assert message.routing_key == "notice.published"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.user_id is not None


async def test_a_binary_event_is_the_same_event(api: NoticesApi, notices: NoticeQueue) -> None:
    sent = event(data=data(headline="Brücke gesperrt"))
    headers = {
        f"ce-{name}": str(sent[name]) for name in ("specversion", "id", "source", "type", "subject", "expirytime")
    }
    answer = await api.post(sent["data"], "application/json; charset=utf-8", headers=headers)
    assert answer.status == 202, answer.text
    assert (await api.publish(sent)).body == answer.body
    first, second = await take_without_time(notices)
    assert first == second


async def test_a_batch_is_published_in_its_order(api: NoticesApi, notices: NoticeQueue) -> None:
    first = event(data=data())
    batch = [
        first,
        event(data=data(revision=2), type=UPDATED, subject=first["subject"]),
        event(data={}, type=WITHDRAWN, subject=first["subject"], expirytime=None),
    ]
    answer = await api.post(batch, BATCH)
    assert answer.status == 202, answer.text
    assert "Location" not in answer.headers
    assert [each["id"] for each in answer.body["events"]] == [each["id"] for each in batch]
    for each in answer.body["events"]:
        assert (await api.ask("GET", each["event"])).body["id"] == each["id"]
    assert [message.routing_key for _, message in await notices.take()] == [
        "notice.published",
        "notice.updated",
        "notice.withdrawn",
    ]


async def test_one_wrong_event_of_a_batch_keeps_all_back_and_is_named(api: NoticesApi, notices: NoticeQueue) -> None:
    batch = [event(data=data()), event(data=data(headline=5, text="")), event(data=data(), expirytime=soon(-1))]
    answer = await api.post(batch, BATCH)
    assert answer.status == 422
    assert [(error["event"], error["field"]) for error in answer.body["errors"]] == [
        (1, "headline"),
        (1, "text"),
        (2, "expirytime"),
    ]
    assert await notices.take() == []


async def test_the_same_event_twice_in_a_batch_is_a_mistake(api: NoticesApi, notices: NoticeQueue) -> None:
    same = event(data=data())
    answer = await api.post([same, same], BATCH)
    assert (answer.status, answer.fields) == (422, ["id"])
    assert await notices.take() == []


async def test_plain_json_with_the_same_key_is_the_same_event(api: NoticesApi, notices: NoticeQueue) -> None:
    content = {**data(), "expires_at": soon()}
    first, again = await api.write(content, key="k-1"), await api.write(content, key='"k-1"')
    other, foreign = await api.write(content, key="k-2"), await api.write(content, key="k-1", token="roads")
    theirs = await api.write({**content, "source": ROADS_SOURCE}, key="k-1", token="roads")
    assert first.status == again.status == other.status == 202
    assert first.body == again.body
    assert first.body["id"] != theirs.body["id"]
    assert first.headers["Location"] == again.headers["Location"] != other.headers["Location"]
    assert (foreign.status, foreign.fields) == (422, ["source"])  # this system has two
    published = await take_without_time(notices)
    assert published[0] == published[1]
    assert published[0]["source"] == PRESS_SOURCE
    assert datetime.fromisoformat(published[0]["expirytime"]) == datetime.fromisoformat(str(content["expires_at"]))


async def test_an_id_or_a_key_that_was_used_for_another_notice_is_refused(
    api: NoticesApi, notices: NoticeQueue
) -> None:
    sent, content = event(data=data()), {**data(), "expires_at": soon()}
    assert (await api.publish(sent)).status == (await api.write(content, key="used")).status == 202
    assert len(await notices.take()) == 2
    for path in ("/notices", "/notices/check"):
        answer = await api.publish({**sent, "data": data(text="Bis Samstag.")}, path=path)
        assert (answer.status, answer.fields) == (422, ["id"]), answer.text
        answer = await api.write({**content, "text": "Bis Samstag."}, key="used", path=path)
        assert (answer.status, answer.fields) == (422, ["Idempotency-Key"]), answer.text
    assert await notices.take() == []


async def test_what_came_before_may_come_again_when_it_would_be_too_late(api: NoticesApi, notices: NoticeQueue) -> None:
    at_once = 1.5 / 3600
    sent = event(data=data(scheduled_at=soon(at_once)), expirytime=soon(2 * at_once))
    first = await api.publish(sent)
    assert first.status == 202

    async def is_over() -> bool:
        fresh = await api.publish({**sent, "id": "another"}, path="/notices/check")
        return fresh.status == 422 and fresh.fields == ["expirytime", "scheduled_at"]

    await wait_for(is_over)
    again = await api.publish(sent)
    assert (again.status, again.body) == (202, first.body)
    assert len(await notices.take()) == 2


async def test_what_was_planned_ahead_is_taken_after_its_moment(api: NoticesApi, notices: NoticeQueue) -> None:
    sent = event(data=data(scheduled_at=soon(-1)), time=soon(-2))
    answer = await api.publish(sent)
    assert answer.status == 202, answer.text
    [(found, _)] = await notices.take()
    assert found["data"] == sent["data"]
    assert datetime.fromisoformat(found["time"]) == datetime.fromisoformat(str(sent["time"]))


async def test_plain_json_planned_ahead_may_wait_for_us_beyond_its_moment(
    api: NoticesApi, notices: NoticeQueue
) -> None:
    before = datetime.now(UTC)
    answer = await api.write({**data(scheduled_at=soon(1)), "expires_at": soon(6)})
    assert answer.status == 202, answer.text
    [(_, message)] = await notices.take()
    stored = read_envelope(message.body)
    assert before <= stored.time <= datetime.now(UTC)
    handled = read_request(AmqpMessage(body=message.body, login=NOTICES_API_LOGIN), COUNTY, before + timedelta(hours=2))
    assert handled.problems == ()
    assert handled.command is not None


async def test_plain_json_updates_and_withdraws(api: NoticesApi, notices: NoticeQueue) -> None:
    update = {**data(revision=2), "action": "update", "notice": "n-1", "expires_at": soon()}
    assert (await api.write(update)).status == 202
    assert (await api.write({"action": "withdraw", "notice": "n-1", "reason": "Irrtum"})).status == 202
    (updated, _), (withdrawn, _) = await notices.take()
    assert (updated["type"], updated["subject"], updated["data"]["revision"]) == (UPDATED, "n-1", 2)
    assert (withdrawn["type"], withdrawn["data"]) == (WITHDRAWN, {"reason": "Irrtum"})


async def test_checking_says_the_same_and_publishes_nothing(api: NoticesApi, notices: NoticeQueue) -> None:
    sent = event(data=data(urgent=True))
    checked = await api.publish(sent, path="/notices/check")
    assert checked.status == 200, checked.text
    assert (checked.body["action"], checked.body["lane"], checked.body["topic"]) == (
        "publish",
        "urgent",
        "strassensperrungen",
    )
    wrong = event(data=data(text=""))
    assert (await api.publish(wrong, path="/notices/check")).body == (await api.publish(wrong)).body
    assert await notices.take() == []
    assert (await api.publish(sent)).body["event"] == checked.body["event"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data": {"headline": "K 9", "text": "Bis Freitag."}}, "topic"),
        ({"data": data(topic=5)}, "topic"),
        ({"type": "de.kreisfunk.notice.published.v9"}, "type"),
        ({"kreisfunksystem": "bauamt"}, "kreisfunksystem"),
    ],
)
async def test_what_breaks_a_rule_is_named_and_not_published(
    changes: dict[str, object], field: str, api: NoticesApi, notices: NoticeQueue
) -> None:
    answer = await api.publish(event(**{"data": data(), **changes}))
    assert (answer.status, answer.fields) == (422, [field]), answer.text
    assert await notices.take() == []


async def test_a_check_tells_what_only_subscriptions_knows(api: NoticesApi, notices: NoticeQueue) -> None:
    told = await api.publish(event(data=data()), path="/notices/check")
    assert (told.status, told.body["audience"]) == (200, 3)
    unknown = event(data=data(revision=2), type=UPDATED, subject="unknown")
    answer = await api.post([event(data=data()), unknown], BATCH, path="/notices/check")
    assert (answer.status, answer.body["errors"][0]["field"], answer.body["errors"][0]["event"]) == (422, "revision", 1)
    assert await notices.take() == []


async def test_what_comes_earlier_in_a_batch_will_be_known(api: NoticesApi) -> None:
    update = event(data=data(revision=2), type=UPDATED, subject="unknown")
    assert (await api.post([update], BATCH, path="/notices/check")).status == 422
    first = event(data=data(), subject="new")
    follow_up = event(data=data(follows="new"), subject="unknown")
    batch = [first, {**update, "subject": "new"}, follow_up]
    answer = await api.post(batch, BATCH, path="/notices/check")
    assert answer.status == 200
    assert ["audience" in told for told in answer.body["events"]] == [True, False, False]
