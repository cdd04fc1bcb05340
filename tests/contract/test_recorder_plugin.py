"""At the end of a run it is known what was seen in all its processes, and whether that was enough."""

from pathlib import Path

import pytest

from deploy.paths import ROOT
from tests.contract_recorder.coverage import UNSEEN, list_places

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
