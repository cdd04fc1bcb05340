"""The dashboards by the types of Grafana's own schema."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.dashboard import BOARDS

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler")


@pytest.fixture
def boards() -> list[dict[str, Any]]:
    return [json.loads(board.render()) for board in BOARDS]


def check_types(boards: list[dict[str, Any]], name: str) -> str:
    """What the compiler finds; the file has to be where it finds the types."""
    file = MODULES / f".check-{name}.ts"
    file.write_text((FOLDER / "board.ts").read_text().replace("BOARDS", json.dumps(boards)))
    try:
        return subprocess.run((MODULES / ".bin" / "tsc", *OPTIONS, file), capture_output=True, text=True).stdout
    finally:
        file.unlink()


def test_every_dashboard_is_of_grafanas_types(boards: list[dict[str, Any]]) -> None:
    assert check_types(boards, "all") == ""


@pytest.mark.parametrize(
    ("part", "value"),
    [("type", "tiemseries"), ("options", {"legend": {"calcs": "mean"}}), ("gridPos", {"x": "0"}), ("titel", "Rate")],
)
def test_the_types_find_what_is_wrong(boards: list[dict[str, Any]], part: str, value: object) -> None:
    boards[0]["panels"][-1][part] = value
    assert "error TS" in check_types(boards, part)
