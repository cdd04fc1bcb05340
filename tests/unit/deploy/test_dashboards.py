"""The dashboards that Grafana reads, against the code that they are about."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations

import pytest

from services.subscriptions.adapters.metrics import UNDELIVERABLE
from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.feedback import FeedbackKind
from shared.notices.configuration import Category
from tests.alert_rules import ALERTS
from tests.compose_file import SERVICES
from tools.dashboards import BOARDS, Dashboard
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


def list_expressions(dashboard: Dashboard) -> list[str]:
    queries = [query for panel in dashboard.panels for query in panel.queries]
    return [*dashboard.annotations.values(), *(query.expression for query in queries)]


@EVERY_DASHBOARD
def test_every_panel_has_its_own_id_and_title_within_a_kind_and_covers_no_other(dashboard: Dashboard) -> None:
    assert dashboard.json["uid"] == f"kreisfunk-{dashboard.name}"
    ids = [panel.json["id"] for panel in dashboard.panels]
    titles = Counter((panel.json["type"], panel.title) for panel in dashboard.panels)
    assert len(set(ids)) == len(ids) == len(titles)
    squares = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel.json["gridPos"] for panel in dashboard.panels)
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
    variables = {variable["name"] for variable in dashboard.json["templating"]["list"]}
    used = {name for expression in list_expressions(dashboard) for name in OWN_VARIABLES.findall(expression)}
    assert variables == used | {"datasource"}
    parts = [part for panel in dashboard.panels for part in (panel.json, *panel.json["targets"])]
    assert {part["datasource"]["uid"] for part in parts} == {"${datasource}"}


@EVERY_DASHBOARD
def test_every_panel_says_what_it_shows_and_leads_to_runbooks_that_exist(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.defaults["unit"]
        assert panel.json["description"]
        if panel.is_number:
            is_count = panel.defaults["unit"] == "none"
            assert ("decimals" in panel.defaults) == is_count, "a number of things has no decimals"
        else:
            assert panel.json["options"]["legend"]["calcs"]
        for link in panel.json["links"]:
            alert = ALERTS[link["title"].removeprefix("Runbook ")]
            assert link["url"] == alert["annotations"]["runbook_url"]


def test_the_press_office_reads_words_instead_of_values() -> None:
    for panel in NEWSROOM.panels:
        legends = {query.legend for query in panel.queries}
        values = {value for legend in legends for label in LABEL.findall(legend) for value in VALUES[label]}
        assert set(panel.names) == values | {legend for legend in legends if CODE_WORD.fullmatch(legend)}
        assert not [name for name in panel.names.values() if CODE_WORD.fullmatch(name)]


@EVERY_DASHBOARD
def test_prometheus_keeps_what_a_dashboard_shows_first(dashboard: Dashboard) -> None:
    (retention_days,) = re.findall(r"retention\.time=(\d+)d", " ".join(SERVICES["prometheus"]["command"]))
    ((number, unit),) = re.findall(r"^now-(\d+)([hd])$", dashboard.json["time"]["from"])
    assert int(number) * {"h": 1, "d": 24}[unit] <= int(retention_days) * 24


@EVERY_DASHBOARD
def test_every_broadcast_is_marked_in_whatever_period_is_shown(dashboard: Dashboard) -> None:
    """A window of a fixed length leaves gaps where Grafana's steps are longer."""
    assert re.findall(r"\[(.+?)\]", dashboard.annotations["Broadcasts"]) == ["$__rate_interval"]
