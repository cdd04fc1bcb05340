"""At the end of a run it is known what was seen in all its processes, and whether that was enough."""

from pathlib import Path

import pytest

from tests.contract_recorder.coverage import UNSEEN, build_place, list_places

REPOSITORY = Path(__file__).parents[2]
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
    """A folder with tests of its own, which have the tap's plugin."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
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


@pytest.mark.parametrize("processes", [(), ("-n", "2", "--dist", "loadfile")])
def test_all_processes_together_must_have_seen_everything(run: pytest.Pytester, processes: tuple[str, ...]) -> None:
    plant(run, EVERY[:5], EVERY[3:])
    ended = run.runpytest_subprocess(*processes)
    ended.assert_outcomes(passed=2)
    assert ended.ret == pytest.ExitCode.OK
    lines = {line.strip() for line in ended.outlines}
    assert {f"2 {EVERY[0]}", f"4 {EVERY[3]}", f"4 {EVERY[4]}", f"2 {EVERY[5]}"} <= lines


def test_a_run_that_has_not_fails_though_all_its_tests_pass(run: pytest.Pytester) -> None:
    plant(run, EVERY[1:5], EVERY[5:])
    ended = run.runpytest_subprocess("-n", "2")
    ended.assert_outcomes(passed=2)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert f"never seen: {EVERY[0]}" in ended.outlines


def test_a_run_that_has_seen_nothing_at_all_says_so(run: pytest.Pytester) -> None:
    plant(run, [])
    ended = run.runpytest_subprocess()
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert {f"never seen: {where}" for where in EVERY} <= set(ended.outlines)


def run_in_two_parts(run: pytest.Pytester) -> tuple[pytest.RunResult, pytest.RunResult]:
    """As `make test` does it."""
    tally = str(run.path / "tally")
    parallel = ("-n", "2", "--dist", "loadfile", "-m", "not alone", "--tally-to", tally)
    return run.runpytest_subprocess(*parallel), run.runpytest_subprocess("-m", "alone", "--tally-from", tally)


def test_what_runs_alone_is_added_to_what_the_others_have_seen(run: pytest.Pytester) -> None:
    plant(run, EVERY[:5], EVERY[3:-1], EVERY[-1:], alone=2)
    others, alone = run_in_two_parts(run)
    assert (others.ret, alone.ret) == (pytest.ExitCode.OK, pytest.ExitCode.OK)
    assert {f"4 {EVERY[3]}", f"2 {EVERY[-1]}"} <= {line.strip() for line in alone.outlines}


def test_two_parts_that_have_not_seen_everything_fail_at_the_end(run: pytest.Pytester) -> None:
    plant(run, EVERY[1:5], EVERY[5:], alone=1)
    others, alone = run_in_two_parts(run)
    assert (others.ret, alone.ret) == (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert [line for line in alone.outlines if line.startswith("never seen")] == [f"never seen: {EVERY[0]}"]


@pytest.mark.parametrize("content", ["", '{"seen": {}, "lost": ["gw1"]}'])
def test_a_part_whose_count_is_missing_is_not_excused(run: pytest.Pytester, content: str) -> None:
    plant(run, EVERY)
    (run.path / "tally").write_text(content)
    ended = run.runpytest_subprocess("--tally-from", "tally")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert [line for line in ended.outlines if line.startswith("no count from")]


@pytest.mark.parametrize("chosen", [("checks/test_0.py",), ("-k", "something")])
def test_of_some_tests_nobody_expects_that(run: pytest.Pytester, chosen: tuple[str, ...]) -> None:
    plant(run, EVERY[:1], EVERY[:1])
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
    assert build_place("kreisfunk.events", "notice.accepted", "de.kreisfunk.notice.accepted.v1") in EVERY
