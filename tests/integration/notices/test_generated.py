"""schemathesis generates requests from the document and finds no answer that contradicts it."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.local.process import Child, Command
from shared.contracts.events import NoticeRejected, Problem
from tests.contract_recorder.coverage import SEEN, build_answer_place
from tests.harness.notices_api import BATCH, STRUCTURED, NoticesApi, data, event
from tests.harness.notices_county import text_of
from tests.integration.notices.conftest import Telling

CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 403, 404, 422]

[checks.missing_required_header]
enabled = false
"""
JSON, STREAM = "application/json", "text/event-stream"
WRITING = ("/notices", "/notices/check")
OPERATIONS = {"/notices": ("POST", "publish"), "/notices/check": ("POST", "check"), "/events": ("GET", "follow")}

pytestmark = pytest.mark.timeout(300)


async def tried(
    api: NoticesApi, folder: Path, *options: str, configuration: str = CONFIGURATION
) -> Counter[tuple[str, str, str, int]]:
    """How often which method, path, content (asked for, where nothing was sent) and answer; nothing may be found."""
    file, report = folder / "schemathesis.toml", folder / "report.har"
    file.write_text(configuration)
    command = Command(
        name="schemathesis",
        arguments=(
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={file}",
            "run",
            f"{api.url}/openapi.json",
            f"--header=Authorization: Bearer {text_of('press')}",
            "--seed=1",
            "--no-color",
            "--suppress-health-check=all",
            "--report=har",
            f"--report-har-path={report}",
            *options,
        ),
        log=folder / "schemathesis.log",
        environment={"PATH": str(Path(sys.executable).parent), "HOME": str(folder)},
        folder=folder,  # where it keeps notes
    )
    child = Child(command)
    await child.start()
    assert await child.wait() == 0, command.log.read_text()[-6000:]
    assert "Process" not in api.log
    requests = Counter(_requests(json.loads(report.read_text()), api.url))
    _count(requests)
    return requests


def _count(requests: Counter[tuple[str, str, str, int]]) -> None:
    """Each of these answers was checked against the document, by schemathesis."""
    for (method, path, _, status), times in requests.items():
        if OPERATIONS.get(path, ("", ""))[0] == method:
            SEEN.counts[build_answer_place(OPERATIONS[path][1], status)] += times


def _requests(report: Mapping[str, Any], url: str) -> Iterator[tuple[str, str, str, int]]:
    for entry in report["log"]["entries"]:
        request = entry["request"]
        headers = {header["name"].lower(): header["value"] for header in request["headers"]}
        path = request["url"].removeprefix(url).partition("?")[0]
        content = headers.get("content-type") or headers.get("accept", "")
        yield (
            request["method"],
            "/events" if path.startswith("/events/") else path,
            content,
            entry["response"]["status"],
        )


async def test_nothing_is_found(api: NoticesApi, tmp_path: Path) -> None:
    requests = await tried(api, tmp_path, "--max-examples=25")
    found = {(method, path, content) for method, path, content, _ in requests}
    assert {("POST", path, content) for path in WRITING for content in (STRUCTURED, BATCH, JSON)} <= found
    assert {status for *_, status in requests} >= {400, 401, 403, 404, 405, 415, 422}


async def test_nothing_is_found_in_streams(api: NoticesApi, tell: Telling, tmp_path: Path) -> None:
    """Of an event that has come to its end: nobody would end the stream of another."""
    sent = event(data=data())
    followed = (await api.publish(sent)).headers["Location"]
    problems = (Problem(field="subject", problem="was withdrawn"),)
    await tell(NoticeRejected(source=str(sent["source"]), event=str(sent["id"]), problems=problems))
    known = f'[parameters]\n"path.event" = "{followed.removeprefix("/events/")}"\n'
    options = ("--include-operation-id=follow", f"--header=Accept: {STREAM}", "--max-examples=25")
    requests = await tried(api, tmp_path, *options, configuration=CONFIGURATION + known)
    assert requests["GET", "/events", STREAM, 200]
