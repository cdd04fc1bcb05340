"""The Graph API beside the messages endpoint: number, templates, probes and metrics."""

import pytest

from tests.harness.simulator import (
    PHONE_NUMBER_ID,
    WABA_ID,
    SimulatorHarness,
    run_simulator_harness,
)


async def test_the_number_tells_the_fields_that_were_asked_for(harness: SimulatorHarness) -> None:
    status, answer = await harness.call_graph(
        f"{PHONE_NUMBER_ID}?fields=throughput,display_phone_number,quality_rating"
    )
    assert status == 200
    assert answer == {
        "id": PHONE_NUMBER_ID,
        "throughput": {"level": "STANDARD"},
        "display_phone_number": "+4947919300",
        "quality_rating": "GREEN",
    }
    _, listed = await harness.call_graph(f"{WABA_ID}/phone_numbers")
    assert [number["id"] for number in listed["data"]] == [PHONE_NUMBER_ID]


async def test_a_thousand_messages_per_second_are_the_high_level() -> None:
    async with run_simulator_harness(messages_per_second=1000) as harness:
        _, answer = await harness.call_graph(f"{PHONE_NUMBER_ID}?fields=throughput")
        assert answer["throughput"] == {"level": "HIGH"}


async def test_templates_are_listed_page_by_page(harness: SimulatorHarness) -> None:
    path: str | None = f"{WABA_ID}/message_templates?limit=3&fields=name,status"
    names = []
    while path:
        status, answer = await harness.call_graph(path)
        assert status == 200
        names += [row["name"] for row in answer["data"]]
        assert all(row["status"] == "APPROVED" and "components" not in row for row in answer["data"])
        path = answer["paging"].get("next", "").partition("/v26.0/")[2]
    assert len(names) == len(set(names)) == 8


async def test_templates_can_be_filtered_and_show_their_components(harness: SimulatorHarness) -> None:
    _, answer = await harness.call_graph(f"{WABA_ID}/message_templates?name=kreisfunk_stellen_v1&language=de")
    (row,) = answer["data"]
    assert [component["type"] for component in row["components"]] == ["BODY", "FOOTER", "BUTTONS"]
    assert row["components"][0]["example"]["body_text_named_params"]
    _, none = await harness.call_graph(f"{WABA_ID}/message_templates?status=PAUSED")
    assert none["data"] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("12345", 100),
        ("12345/message_templates", 100),
        ("12345/phone_numbers", 100),
        (f"{WABA_ID}/message_templates?limit=0", 100),
        (f"{WABA_ID}/message_templates?after=unsinn", 100),
        (f"{WABA_ID}/gibt/es/nicht", 2500),
    ],
)
async def test_wrong_paths_and_queries_get_metas_errors(harness: SimulatorHarness, path: str, code: int) -> None:
    status, answer = await harness.call_graph(path)
    assert (status, answer["error"]["code"]) == (400, code)


async def test_every_path_needs_the_token(harness: SimulatorHarness) -> None:
    for path in (PHONE_NUMBER_ID, f"{WABA_ID}/message_templates", f"{WABA_ID}/phone_numbers", "unknown/path"):
        status, answer = await harness.call("GET", f"/v26.0/{path}", "falsch")
        assert (status, answer["error"]["code"]) == (401, 190)


async def test_probes_and_metrics_are_open(harness: SimulatorHarness) -> None:
    for path, expected in (("/livez", "live\n"), ("/readyz", "ready\n")):
        async with harness.session.get(harness.url + path) as probe:
            assert (probe.status, await probe.text()) == (200, expected)
    async with harness.session.get(f"{harness.url}/metrics") as response:
        assert "process_cpu_seconds_total" in await response.text()
