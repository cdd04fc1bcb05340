"""Violations that the recorder finds in a message, and what it says at the end of a run about all its processes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.paths import ROOT
from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import HEADER_PREFIXES
from tests.contract_recorder.coverage import UNSEEN, find_complaints, list_places
from tests.contract_recorder.message_checks import TracedMessage, find_problems
from tools.schemas import EXAMPLES

ACCEPTED = NoticeAccepted(source="/x", event="1", notice="n", revision=1)
PROPERTIES = {"content_type": CONTENT_TYPE, "delivery_mode": 2}


def event(message: Message = ACCEPTED, source: str = "/kreisfunk/subscriptions") -> bytes:
    return encode(message, event_id="e", source=source, time=datetime.now(UTC))


def published(body: bytes, **changed: Any) -> TracedMessage:
    usual = {"exchange": topology.EVENTS, "key": ACCEPTED.KEY, "login": "subscriptions", "properties": PROPERTIES}
    return TracedMessage(**{**usual, "body": body, **changed})


def with_data(**changed: object) -> bytes:
    parsed = json.loads(event())
    return json.dumps({**parsed, "data": {**parsed["data"], **changed}}).encode()


def build_retried(body: bytes) -> TracedMessage:
    queue = topology.SUBSCRIPTIONS_NOTICES
    return published(body, exchange=queue.retry_exchange, key=queue.name_retry_queue("1s"))


def binary(prefix: str = "cloudEvents:", **changed: object) -> TracedMessage:
    event = json.loads((EXAMPLES / f"{NoticePublished.TYPE}.json").read_text()) | changed
    headers = {f"{prefix}{name}": value for name, value in event.items() if name != "data"}
    return published(
        json.dumps(event["data"]).encode(),
        exchange=topology.MUNICIPAL_EVENTS,
        key=NoticePublished.KEY,
        login="pressestelle",
        properties={"content_type": "application/json", "delivery_mode": 2, "headers": headers},
    )


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (published(b"no JSON"), "no contract has this type"),
        (published(b"[1]"), "no contract has this type"),
        (published(event().replace(b"accepted.v1", b"accepted.v9")), "no contract has this type"),
        (published(event(NoticeRejected(source="/x", event="1", problems=()))), "no channel of the AsyncAPI document"),
        (published(event(), key="notice.elsewhere"), "no channel of the AsyncAPI document"),
        (published(event(source="/kreisfunk/dispatcher")), "/kreisfunk/dispatcher is not said to send it"),
        (published(event(source="/elsewhere")), "/elsewhere is not said to send it"),
        (published(with_data(revision="1")), "is not of type"),
        (published(with_data(costs={"utility": "1,5"})), "does not match"),
        (published(event(), properties={"delivery_mode": 2}), "content type"),
        (published(event(), properties={"content_type": CONTENT_TYPE, "delivery_mode": 1}), "not persistent"),
        (published(event(), properties={**PROPERTIES, "content_encoding": "gzip"}), "packed"),
        (published(event(), exchange="", key=topology.SUBSCRIPTIONS_NOTICES.name), "no channel"),
        (build_retried(event()), "no channel"),
        (binary(specversion="0.3"), "was expected"),
        (binary(expirytime=None), "is not of type"),
    ],
)
def test_what_is_not_as_described_is_told_with_its_place(message: TracedMessage, told: str) -> None:
    found = list(find_problems(message))
    assert [problem for problem in found if told in problem]
    assert all(problem.startswith(f"{message.where}: ") for problem in found)


@pytest.mark.parametrize("prefix", HEADER_PREFIXES)
def test_an_event_in_binary_mode_is_the_same_event(prefix: str) -> None:
    assert list(find_problems(binary(prefix))) == []
    assert list(find_problems(binary(prefix, type="de.kreisfunk.notice.updated.v1")))


def test_only_what_tests_publish_or_services_park_may_be_excused() -> None:
    assert published(b"", login="guest").is_excusable
    assert not published(b"").is_excusable
    assert build_retried(b"").is_excusable


def test_a_place_that_is_never_seen_is_told_unless_it_is_excused_with_need() -> None:
    every = dict.fromkeys(list_places(), 1)
    assert find_complaints(every, {}) == []
    one, two, *_ = every
    assert find_complaints({**every, one: 0, two: 0}, {}) == [f"never seen: {one}", f"never seen: {two}"]
    assert find_complaints({**every, one: 0}, {one: "why"}) == []
    assert find_complaints(every, {one: "why"}) == [f"excused, but seen: {one}"]
    assert find_complaints(every, {"x": "why"}) == ["excused, but not in the document: x"]


EVERY = [where for where in list_places() if where not in UNSEEN]
INI = """[pytest]
testpaths = checks
addopts = -p xdist.plugin --strict-markers
markers = alone
filterwarnings = error
"""
TEST = """
import pytest
from tests.contract_recorder.coverage import SEEN

{marker}
def test_something():
    SEEN.add({seen})
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with tests of its own, which have the recorder's plugin."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makefile(".ini", pytest=INI)
    pytester.makeconftest('pytest_plugins = ("tests.contract_recorder.plugin",)')
    pytester.mkdir("checks")
    return pytester


def plant(run: pytest.Pytester, *places: list[str], alone: int | None = None) -> None:
    """Tests that see these, one each."""
    for number, seen in enumerate(places):
        marker = "@pytest.mark.alone" if number == alone else ""
        content = TEST.format(seen=dict.fromkeys(seen, 2), marker=marker)
        (run.path / "checks" / f"test_{number}.py").write_text(content)


def run_in_two_parts(run: pytest.Pytester) -> tuple[pytest.RunResult, pytest.RunResult]:
    """As `make test` does it, which looks for the mark only in files that have it."""
    tally = str(run.path / "tally")
    parallel = ("-n", "2", "--dist", "loadfile", "-m", "not alone", "--tally-to", tally)
    marked = [file for file in (run.path / "checks").glob("test_*.py") if "mark.alone" in file.read_text()]
    last: tuple[str | Path, ...] = ("-m", "alone", "--tally-from", tally, *marked)
    return run.runpytest_subprocess(*parallel), run.runpytest_subprocess(*last)


def test_two_parts_that_have_not_seen_everything_fail_at_the_end(run: pytest.Pytester) -> None:
    plant(run, EVERY[1:5], EVERY[5:], alone=1)
    others, alone = run_in_two_parts(run)
    assert (others.ret, alone.ret) == (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert [line for line in alone.outlines if line.startswith("never seen")] == [f"never seen: {EVERY[0]}"]
