"""`kreisfunk publish` with a file of events, against a real notices API, and a real broker behind it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from shared.contracts.events import Problem
from tests.harness.commands import run_in_process
from tests.harness.notices_api import NoticesApi
from tests.integration.cli.notice_responder import EXPECTED, NoticeResponder, access


async def test_a_file_may_hold_several_events_and_needs_no_source(
    api: NoticesApi, responder: NoticeResponder, tmp_path: Path
) -> None:
    content = {"topic": "strassensperrungen", "headline": "K 9", "text": "Bis Freitag."}
    expiry = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    events = [{"id": f"e-{n}", "subject": f"f-{n}", "expirytime": expiry, "data": content} for n in (1, 2)]
    path = tmp_path / "events.json"
    path.write_text(json.dumps(events))
    ended = await run_in_process("publish", str(path), environment=access(api.url))
    assert (ended.status, len(ended.output.splitlines())) == (0, 2), ended.everything
    assert [envelope.subject for _, envelope, _ in responder.said] == ["f-1", "f-2"]
    path.write_text(json.dumps([{**events[0], "id": "e-3"}, {**events[1], "data": {}}]))
    assert (await run_in_process("publish", str(path), environment=access(api.url))).status == 3
    assert len(responder.said) == 2


@pytest.mark.parametrize("beside", [{"scheduled_at": "2030-01-01T08:00"}, {"urgent": True}, {"Spread": "2h"}], ids=str)
async def test_what_stands_beside_the_data_of_an_event_without_a_source_is_named_and_not_left_out(
    api: NoticesApi, responder: NoticeResponder, tmp_path: Path, beside: dict[str, object]
) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({**build_event("f-3"), "traceparent": "00-1-2-01", "data": {}, **beside}))
    ended = await run_in_process("publish", str(path), "--json", environment=access(api.url))
    fields = {problem["field"] for problem in ended.json["problems"]}
    assert (ended.status, fields) == (3, {*beside, "topic", "headline", "text"}), ended.everything
    path.write_text(json.dumps({**build_event("f-3"), **beside}))
    ended = await run_in_process("publish", str(path), environment=access(api.url))
    assert (ended.status, *beside, responder.said) == (3, ended.output.split()[5].rstrip(":"), []), ended.everything


async def test_an_event_may_follow_another_one_of_the_same_file(
    api: NoticesApi, responder: NoticeResponder, tmp_path: Path
) -> None:
    nothing = Problem(field="follows", problem="is not a notice that was accepted from this source")
    responder.unknown = msgspec.structs.replace(EXPECTED, problems=(nothing,))
    follow_up = build_event("f-5", follows="f-4")
    path = tmp_path / "events.json"
    path.write_text(json.dumps([follow_up]))
    assert (await run_in_process("publish", str(path), environment=access(api.url))).status == 3
    path.write_text(json.dumps([build_event("f-4"), follow_up]))
    ended = await run_in_process("publish", str(path), environment=access(api.url))
    assert (ended.status, len(ended.output.splitlines())) == (0, 2), ended.everything
    assert [envelope.subject for _, envelope, _ in responder.said] == ["f-4", "f-5"]


def build_event(subject: str, **more: object) -> dict[str, object]:
    """Return an event as in a file, without what the command adds."""
    content = {"topic": "strassensperrungen", "headline": "K 9", "text": "Bis Freitag.", **more}
    return {"subject": subject, "expirytime": (datetime.now(UTC) + timedelta(hours=2)).isoformat(), "data": content}
