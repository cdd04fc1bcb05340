"""The control API: behind its token, strict about what it is asked, and honest in its account."""

import json
import time
from typing import Any

import aiohttp
import pytest

from simulator.control.citizens import CitizenControl
from simulator.control.run import RunControl
from tests.harness.fake_business import VERIFY_TOKEN
from tests.harness.simulator import CONTROL_TOKEN, SimulatorHarness, build_template, run_simulator_harness
from tests.servers import WAIT_TIMEOUT_SECONDS

NOTHING: Any = None


async def test_everything_needs_the_token(harness: SimulatorHarness) -> None:
    for route in (*CitizenControl(NOTHING).build_routes(), *RunControl(NOTHING).build_routes()):
        path = route.path.format(citizen=1, name="x")
        for token in ("", "falsch", "token-of-the-graph-api", "Ümläut"):
            status, answer = await harness.call(route.method, path, token)
            assert (status, set(answer)) == (401, {"error"}), path


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "citizens", {"count": 0}, 400),
        ("POST", "citizens", {"count": 1, "bsuid_only": 2}, 400),
        ("POST", "citizens", {"count": 100_000}, 409),
        ("POST", "citizens/1/messages", {}, 409),
        ("POST", "citizens/1/messages", {"text": "a", "button": "b"}, 409),
        ("POST", "citizens/1/messages", {"text": ""}, 400),
        ("POST", "citizens/1/messages", {"text": "x" * 4097}, 400),
        ("POST", "citizens/1/messages", {"button": "stop"}, 409),
        ("POST", "citizens/1/messages", {"reaction": "👍"}, 409),
        ("POST", "citizens/1/messages", {"edit": "a"}, 409),
        ("POST", "citizens/1/messages", {"edit": ""}, 400),
        ("POST", "citizens/1/messages", {"revoke": True}, 409),
        ("POST", "citizens/1/messages", {"contact": False}, 400),
        ("POST", "citizens/1/messages", {"media": "film"}, 400),
        ("POST", "citizens/1/number", {"older": True}, 400),
        ("POST", "citizens/2/messages", {"text": "a"}, 404),
        ("POST", "citizens/0/messages", {"text": "a"}, 404),
        ("POST", "citizens/eins/messages", {"text": "a"}, 404),
        ("POST", "broadcast", {"text": "a", "citizens": [2]}, 404),
        ("POST", "broadcast", {"text": "a", "per_second": 0}, 400),
        ("PUT", "faults", {"latency": 1}, 400),
        ("POST", "account/changes", {"field": "account_update"}, 400),
        ("POST", "account/changes", {"field": "nothing_of_metas", "value": {}}, 409),
        ("PUT", "tier", {}, 400),
        ("PUT", "tier", {"people_a_day": -1}, 400),
        ("PUT", "templates/gibt_es_nicht", {"status": "PAUSED"}, 404),
        ("GET", "account/messages?after=-1", None, 400),
        ("GET", "account/messages?limit=10001", None, 400),
        ("GET", "events?citizens=1,a", None, 400),
    ],
)
async def test_what_cannot_be_done_is_said(
    harness: SimulatorHarness, method: str, path: str, body: Any, status: int
) -> None:
    await harness.add()
    answered, answer = await harness.call(method, f"/simulator/{path}", CONTROL_TOKEN, body)
    assert answered == status
    assert answer["error"]


async def test_citizens_are_listed_searched_and_paged(harness: SimulatorHarness) -> None:
    await harness.add(12, bsuid_only=2, bsuid_in_from=1)
    listed = await harness.call_control("GET", "citizens")
    assert [one["sharing"] for one in listed["citizens"]][-3:] == ["bsuid_in_from", "bsuid_only", "bsuid_only"]
    assert listed["citizens"][0]["name"] == "Telefon 1"
    page = await harness.call_control("GET", "citizens?offset=6&limit=3")
    assert ([one["id"] for one in page["citizens"]], page["total"]) == ([7, 8, 9], 12)
    found = await harness.call_control("GET", "citizens?search=telefon%2012")
    assert [one["id"] for one in found["citizens"]] == [12]
    number = listed["citizens"][4]["phone"]
    assert [one["id"] for one in (await harness.call_control("GET", f"citizens?search={number}"))["citizens"]] == [5]


async def test_the_account_is_paged_in_order_and_without_gaps(harness: SimulatorHarness) -> None:
    citizens = await harness.add(7)
    for citizen in citizens:
        await harness.send(citizen["phone"], biz_opaque_callback_data=f"dlv:{citizen['id']}", **build_template())
    rows: list[dict[str, Any]] = []
    while page := await harness.call_control("GET", f"account/messages?after={len(rows)}&limit=3"):
        rows += page
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["delivery"] for row in rows] == [f"dlv:{number}" for number in range(1, 8)]
    assert {row["template"] for row in rows} == {"kreisfunk_baustellen_v1"}
    await harness.wait_until_settled()
    rows = await harness.call_control("GET", "account/messages")
    assert {row["state"] for row in rows} <= {"delivered", "read"}


async def test_the_account_tells_when_the_business_answered_what_was_written(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add(1)
    await harness.call_control("POST", f"citizens/{citizen['id']}/messages", {"text": "Stop"})
    await harness.wait_until_settled()
    (row,) = await harness.call_control("GET", "account/written")
    assert (row["citizen"], row["text"]) == (citizen["id"], "Stop")
    assert row["written_at"] <= row["answered_at"]


async def test_the_account_tells_when_each_request_came_refused_ones_too(harness: SimulatorHarness) -> None:
    (citizen,) = await harness.add(1)
    await harness.send(citizen["phone"], **build_template())
    assert (await harness.send(citizen["phone"]))[0] == 400, "nobody has written yet"
    first, second = await harness.call_control("GET", "account/attempts")
    assert 0 < first <= second
    assert await harness.call_control("GET", "account/attempts?after=1&limit=5") == [second]
    assert (await harness.fetch_account())["attempted"] == 2


@pytest.mark.parametrize(("limit", "told"), [(1000, 1000), (None, -1)])
async def test_the_business_is_told_to_how_many_people_it_may_write(
    harness: SimulatorHarness, limit: int | None, told: int
) -> None:
    await harness.call_control("PUT", "tier", {"people_a_day": limit})
    await harness.business.wait_until(lambda: bool(harness.business.changes))
    (change,) = harness.business.changes
    assert change["field"] == "business_capability_update"
    assert change["value"]["max_daily_conversations_per_business"] == told


async def test_what_happened_to_the_account_has_been_told_when_the_answer_comes(harness: SimulatorHarness) -> None:
    change = {"field": "account_update", "value": {"event": "PARTNER_REMOVED"}}
    assert await harness.call_control("POST", "account/changes", change) == change
    assert harness.business.changes == [change]
    ((entry,),) = [json.loads(body)["entry"] for body in harness.business.bodies]
    assert 0 <= time.time() - entry["time"] < WAIT_TIMEOUT_SECONDS, "as Meta says of what concerns the account itself"


async def test_a_stop_ends_a_broadcast_that_still_runs() -> None:
    async with run_simulator_harness() as harness:
        await harness.add(10)
        await harness.call_control("POST", "broadcast", {"text": "Start", "per_second": 0.001})
        await harness.business.wait_until(lambda: len(harness.business.messages) == 1)
    assert len(harness.business.messages) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"verify_token": f"not-{VERIFY_TOKEN}"}, 403),
        ({"webhook_url": "http://127.0.0.1:1/webhook", "drain_seconds": 0}, None),
    ],
    ids=["right token", "another token", "nobody listens"],
)
async def test_the_handshake_succeeds_with_the_right_token_only(changes: dict[str, Any], status: int | None) -> None:
    async with run_simulator_harness(**changes) as harness:
        answer = await harness.call_control("POST", "webhook/verification")
        assert answer == {"verified": status == 200, "status": status}
        assert harness.business.handshakes == (["subscribe"] if status else [])


async def read_events(answer: aiohttp.ClientResponse, count: int) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    name = ""
    async for line in answer.content:
        if line.startswith(b"event: "):
            name = line.removeprefix(b"event: ").decode().strip()
        elif line.startswith(b"data: "):
            events.append((name, json.loads(line.removeprefix(b"data: "))))
        if len(events) == count:
            break
    return events


async def test_the_stream_tells_what_the_chosen_phones_show(harness: SimulatorHarness) -> None:
    watched, other = await harness.add(2)
    headers = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
    path = f"{harness.url}/simulator/events?citizens={watched['id']}"
    async with harness.session.get(path, headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        await answer.content.readline()
        await harness.write(other, text="anderes Telefon")
        await harness.write(watched, text="Start")
        await harness.send(watched["phone"], **build_template())
        events = await read_events(answer, 4)
    assert {(name, data["citizen"]) for name, data in events} == {("message", watched["id"])}
    entries = [data["entry"] for _, data in events]
    assert [(entry["id"], entry["state"]) for entry in entries[:3]] == [(1, "sent"), (2, "accepted"), (2, "sent")]
    assert entries[3]["state"] in ("delivered", "read")


async def test_streams_end_well_when_the_simulator_stops() -> None:
    headers = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_TIMEOUT_SECONDS)) as watching:
        async with run_simulator_harness() as harness:
            answer = await watching.get(f"{harness.url}/simulator/events", headers=headers)
        assert (await answer.content.read()).startswith(b": ")
