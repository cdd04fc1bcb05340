"""pytest plugin of the recorder: the marker `foreign_messages`, and the tally at the end.

`pytest -n` counts in each worker and adds the counts in the main process. If a run has two parts in separate processes,
the first writes its tally (`--tally-to`), and the second continues from there (`--tally-from`).
"""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract_recorder.coverage import SEEN, find_complaints
from tests.contract_recorder.recorder import ContractRecorder

MARKER = "foreign_messages"
TO, FROM = "--tally-to", "--tally-from"
HANDED_OVER = "recorder"
LOST = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(TO, type=Path, metavar="FILE", help="write the tally, for the next part of the run")
    parser.addoption(FROM, type=Path, metavar="FILE", help="add the tally of an earlier part; this is the last one")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LOST] = []
    if (file := config.getoption(FROM)) and not hasattr(config, "workerinput"):
        _read_earlier(file, config.stash[LOST])
    config.addinivalue_line("markers", f"{MARKER}(reason): publishes, on purpose, what no contract describes")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker(MARKER)
        if marker is not None and isinstance(item, pytest.Function):
            if not (marker.args and marker.args[0]):
                raise pytest.UsageError(f"{item.nodeid}: {MARKER} wants a reason")
            item.fixturenames = [*item.fixturenames, MARKER]  # the list belongs to all parameters of the test


@pytest.fixture
async def foreign_messages(recorder: ContractRecorder) -> AsyncIterator[None]:
    async with recorder.allow_violations():
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker that has ended; note one that died."""
    handed_over = getattr(node, "workeroutput", {})
    SEEN.add(handed_over.get(HANDED_OVER, {}))
    if HANDED_OVER not in handed_over:
        node.config.stash[LOST].append(node.gateway.id)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if (output := getattr(config, "workeroutput", None)) is not None:
        output[HANDED_OVER] = dict(SEEN.counts)
    elif file := config.getoption(TO):
        file.write_text(json.dumps({"seen": SEEN.counts, "lost": config.stash[LOST]}))
    elif is_whole_run(config) and exitstatus == pytest.ExitCode.OK and _find_unseen(config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    whole = is_whole_run(config)
    if config.getoption(TO) or not (SEEN.counts or whole):
        return
    terminalreporter.write_sep("=", "held against AsyncAPI and OpenAPI")
    for where, times in sorted(SEEN.counts.items()):
        terminalreporter.write_line(f"{times:7} {where}")
    for line in _find_unseen(config) if whole else ():
        terminalreporter.write_line(line, red=True)


def _read_earlier(file: Path, lost: list[str]) -> None:
    try:
        earlier = json.loads(file.read_text())
    except ValueError:  # it ended before it could write
        lost.append("the earlier part")
        return
    SEEN.add(earlier["seen"])
    lost += earlier["lost"]


def _find_unseen(config: pytest.Config) -> list[str]:
    lost = [f"no count from {worker}" for worker in config.stash[LOST]]
    return [*lost, *find_complaints(SEEN.counts)]


def is_whole_run(config: pytest.Config) -> bool:
    """Return whether all tests run, or the last part of all; a selection cannot be expected to see every message."""
    selections = ["keyword", "deselect", "lf", "stepwise", "collectonly", "ignore", "ignore_glob"]
    last = bool(config.getoption(FROM))
    if not last:
        selections.append("markexpr")
    everything = {config.rootpath / name for name in config.getini("testpaths")}
    paths = {(config.invocation_params.dir / name).resolve() for name in config.args}
    return not any(config.getoption(name, None) for name in selections) and (last or paths <= everything)
