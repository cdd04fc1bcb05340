"""The dashboards by the types of Grafana's own schema."""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tools.dashboards import BOARDS

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler")
WRONG: Mapping[str, tuple[tuple[str, ...], object]] = {
    "type": (("type",), "tiemseries"),
    "list": (("options",), {"legend": {"calcs": "mean"}}),
    "number": (("gridPos",), {"x": "0"}),
    "field": (("titel",), "Rate"),
    "word": (("options", "legend", "displayMode"), "tabel"),
}


@pytest.fixture(scope="module")
def errors() -> Mapping[str, list[str]]:
    """What the compiler finds in the dashboards as they are ("all"), and in each wrong form of them, all in one run."""
    files = {"all": render_boards()} | {name: render_boards(*change) for name, change in WRONG.items()}
    written = [MODULES / f".check-{name}.ts" for name in files]  # where it finds the types
    try:
        for file, content in zip(written, files.values(), strict=True):
            file.write_text(content)
        said = subprocess.run((MODULES / ".bin" / "tsc", *OPTIONS, *written), capture_output=True, text=True).stdout
    finally:
        for file in written:
            file.unlink(missing_ok=True)
    found = defaultdict(list)
    for name, error in re.findall(r"\.check-(\w+)\.ts\(.+?(error TS.+)", said):
        found[name].append(error)
    assert said.count("error TS") == sum(map(len, found.values())), said
    return found


def render_boards(path: tuple[str, ...] = (), value: object = None) -> str:
    dashboards: list[dict[str, Any]] = [deepcopy(dashboard.json) for dashboard in BOARDS]
    part = dashboards[0]["panels"][-1]
    for name in path[:-1]:
        part = part[name]
    if path:
        part[path[-1]] = value
    return (FOLDER / "dashboard.ts").read_text().replace("BOARDS", json.dumps(dashboards))


def test_every_dashboard_is_of_grafanas_types(errors: Mapping[str, list[str]]) -> None:
    assert errors.get("all", []) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_the_types_find_what_is_wrong(errors: Mapping[str, list[str]], wrong: str) -> None:
    assert errors.get(wrong)
