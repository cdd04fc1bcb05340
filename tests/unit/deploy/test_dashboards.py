"""The dashboards that Grafana reads, against the code that they are about."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import pytest

from deploy.grafana.dashboard import BOARDS, FOLDER, Dashboard
from services.subscriptions.adapters.metrics import UNDELIVERABLE
from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.feedback import FeedbackKind
from shared.notices.configuration import Category
from tests.alert_rules import ALERTS
from tests.compose_file import SERVICES
from tools.docs.metrics import find_names, list_series

EVERY_DASHBOARD = pytest.mark.parametrize("dashboard", BOARDS, ids=lambda dashboard: dashboard.name)
# The values of labels for which the press office's dashboard needs words; a topic is one.
VALUES: Mapping[str, Iterable[str]] = {
    "outcome": {*MessageResult, *UNDELIVERABLE},
    "kind": {*FeedbackKind},
    "category": {*Category, "service"},
    "topic": (),
}
LABEL = re.compile(r"\{\{(\w+)\}\}")
CODE_WORD = re.compile(r"[a-z]+_[a-z_]+|[a-z]+\d+")
NEWSROOM = next(dashboard for dashboard in BOARDS if dashboard.name == "press")
OWN_VARIABLES = re.compile(r"\$(?!__)(\w+)")


def list_panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = dashboard.build_json()["panels"]
    return panels


def list_expressions(dashboard: Dashboard) -> list[str]:
    annotations = [each["target"]["expr"] for each in dashboard.build_json()["annotations"]["list"]]
    return annotations + [target["expr"] for panel in list_panels(dashboard) for target in panel["targets"]]


def test_the_files_are_what_the_code_says() -> None:
    files = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert files == {f"{dashboard.name}.json": dashboard.render() for dashboard in BOARDS}, (
        "run python -m deploy.grafana"
    )


@EVERY_DASHBOARD
def test_every_panel_has_its_own_id_and_title_within_a_kind(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in list_panels(dashboard)]
    titles = Counter((panel["type"], panel["title"]) for panel in list_panels(dashboard))
    assert len(set(ids)) == len(ids) == len(titles)


@EVERY_DASHBOARD
def test_no_panel_covers_another(dashboard: Dashboard) -> None:
    squares = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in list_panels(dashboard))
    ]
    assert not [1 for one, other in combinations(squares, 2) if one & other]
    assert max(x for square in squares for x, _ in square) < 24


@EVERY_DASHBOARD
def test_every_metric_exists(dashboard: Dashboard) -> None:
    named = {name for expression in list_expressions(dashboard) for name in find_names(expression)}
    assert named
    assert named <= list_series()


@EVERY_DASHBOARD
def test_whoever_looks_chooses_the_datasource_and_the_instances(dashboard: Dashboard) -> None:
    variables = {variable["name"] for variable in dashboard.build_json()["templating"]["list"]}
    used = {name for expression in list_expressions(dashboard) for name in OWN_VARIABLES.findall(expression)}
    assert variables == used | {"datasource"}
    parts = [part for panel in list_panels(dashboard) for part in (panel, *panel["targets"])]
    assert {part["datasource"]["uid"] for part in parts} == {"${datasource}"}


@EVERY_DASHBOARD
def test_every_panel_says_what_it_shows_and_leads_to_runbooks_that_exist(dashboard: Dashboard) -> None:
    for panel in list_panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert panel["description"]
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["calcs"]
        else:
            assert ("decimals" in defaults) == (defaults["unit"] == "none"), "a number of things has no decimals"
    assert {panel.alert for panel in dashboard.panels if panel.alert} <= set(ALERTS)


def test_the_press_office_reads_words_instead_of_values() -> None:
    for panel in list_panels(NEWSROOM):
        shown = {
            each["matcher"]["options"]: each["properties"][0]["value"] for each in panel["fieldConfig"]["overrides"]
        }
        legends = {target["legendFormat"] for target in panel["targets"]}
        values = {value for legend in legends for label in LABEL.findall(legend) for value in VALUES[label]}
        assert set(shown) == values | {legend for legend in legends if CODE_WORD.fullmatch(legend)}
        assert not [name for name in shown.values() if CODE_WORD.fullmatch(name)]


@EVERY_DASHBOARD
def test_prometheus_keeps_what_a_dashboard_shows_first(dashboard: Dashboard) -> None:
    (retention_days,) = re.findall(r"retention\.time=(\d+)d", " ".join(SERVICES["prometheus"]["command"]))
    ((number, unit),) = re.findall(r"^now-(\d+)([hd])$", dashboard.hours)
    assert int(number) * {"h": 1, "d": 24}[unit] <= int(retention_days) * 24


@EVERY_DASHBOARD
def test_every_broadcast_is_marked_in_whatever_period_is_shown(dashboard: Dashboard) -> None:
    """A window of a fixed length leaves gaps where Grafana's steps are longer."""
    (broadcasts, _) = dashboard.build_json()["annotations"]["list"]
    assert re.findall(r"\[(.+?)\]", broadcasts["target"]["expr"]) == ["$__rate_interval"]
