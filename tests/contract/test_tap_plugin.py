"""At the end of a run it is known what was seen in all its processes, and whether that was enough."""

from pathlib import Path

import pytest

from tests.tap.tally import UNSEEN, place, places

REPOSITORY = Path(__file__).parents[2]
EVERY = [where for where in places() if where not in UNSEEN]
INI = """[pytest]
testpaths = checks
addopts = -p xdist.plugin --strict-markers
filterwarnings = error
"""
TEST = """
from tests.tap.tally import SEEN

def test_something():
    SEEN.add({seen})
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with tests of its own, which have the tap's plugin."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makefile(".ini", pytest=INI)
    pytester.makeconftest('pytest_plugins = ("tests.tap.plugin",)')
    pytester.mkdir("checks")
    return pytester


def tests_that_see(run: pytest.Pytester, *places: list[str]) -> None:
    for number, seen in enumerate(places):
        content = TEST.format(seen=dict.fromkeys(seen, 2))
        (run.path / "checks" / f"test_{number}.py").write_text(content)


@pytest.mark.parametrize("processes", [(), ("-n", "2", "--dist", "loadfile")])
def test_all_processes_together_must_have_seen_everything(run: pytest.Pytester, processes: tuple[str, ...]) -> None:
    tests_that_see(run, EVERY[:5], EVERY[3:])
    ended = run.runpytest_subprocess(*processes)
    ended.assert_outcomes(passed=2)
    assert ended.ret == pytest.ExitCode.OK
    lines = {line.strip() for line in ended.outlines}
    assert {f"2 {EVERY[0]}", f"4 {EVERY[3]}", f"4 {EVERY[4]}", f"2 {EVERY[5]}"} <= lines


def test_a_run_that_has_not_fails_though_all_its_tests_pass(run: pytest.Pytester) -> None:
    tests_that_see(run, EVERY[1:5], EVERY[5:])
    ended = run.runpytest_subprocess("-n", "2")
    ended.assert_outcomes(passed=2)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert f"never seen: {EVERY[0]}" in ended.outlines


def test_a_run_that_has_seen_nothing_at_all_says_so(run: pytest.Pytester) -> None:
    tests_that_see(run, [])
    ended = run.runpytest_subprocess()
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert {f"never seen: {where}" for where in EVERY} <= set(ended.outlines)


@pytest.mark.parametrize("chosen", [("checks/test_0.py",), ("-k", "something")])
def test_of_some_tests_nobody_expects_that(run: pytest.Pytester, chosen: tuple[str, ...]) -> None:
    tests_that_see(run, EVERY[:1], EVERY[:1])
    ended = run.runpytest_subprocess(*chosen)
    assert ended.ret == pytest.ExitCode.OK
    assert not [line for line in ended.outlines if line.startswith("never seen")]


def test_a_marker_without_a_reason_is_refused(run: pytest.Pytester) -> None:
    content = "import pytest\n\n@pytest.mark.foreign_messages\ndef test_it(): pass\n"
    (run.path / "checks" / "test_it.py").write_text(content)
    ended = run.runpytest_subprocess()
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines("*foreign_messages wants a reason*")


def test_a_place_names_channel_and_type() -> None:
    assert place("kreisfunk.events", "notice.accepted", "de.kreisfunk.notice.accepted.v1") in EVERY
