"""The dashboard that Grafana reads, against the code that it is about."""

from collections import Counter
from itertools import combinations
from typing import Any

from deploy.grafana.dashboard import FILE, build_dashboard, render
from tests.unit.deploy.metrics import find_names, list_metrics

PANELS: list[dict[str, Any]] = build_dashboard()["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == render(), "run python -m deploy.grafana.dashboard"


def test_every_panel_has_its_own_id_and_title_within_a_kind() -> None:
    ids = [panel["id"] for panel in PANELS]
    titles = Counter((panel["type"], panel["title"]) for panel in PANELS)
    assert len(set(ids)) == len(ids) == len(titles)


def test_no_panel_covers_another() -> None:
    squares = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in PANELS)
    ]
    assert not [1 for one, other in combinations(squares, 2) if one & other]
    assert max(x for square in squares for x, _ in square) < 24


def test_every_metric_exists() -> None:
    named = {name for target in TARGETS for name in find_names(target["expr"])}
    assert named
    assert named <= list_metrics()


def test_the_datasource_is_chosen_by_whoever_looks() -> None:
    variables = [
        variable["name"] for variable in build_dashboard()["templating"]["list"] if variable["type"] == "datasource"
    ]
    assert variables == ["datasource"]
    assert {part["datasource"]["uid"] for part in (*PANELS, *TARGETS)} == {"${datasource}"}


def test_every_panel_has_a_unit_and_says_what_it_shows() -> None:
    assert all(panel["fieldConfig"]["defaults"]["unit"] and panel["description"] for panel in PANELS)
