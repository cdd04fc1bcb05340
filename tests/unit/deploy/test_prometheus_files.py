"""Rules and guide, against the code that they are about. What the rules do is tested with promtool."""

import re
from pathlib import Path

import deploy
from tests.unit.deploy.metrics import find_names, list_metrics

DEPLOY = Path(deploy.__file__).parent
ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text()
ALERTS_TEST = (DEPLOY / "prometheus" / "alerts_test.yml").read_text()
GUIDE = (DEPLOY.parent / "docs" / "guides" / "monitoring.md").read_text()


def test_every_metric_in_a_rule_exists() -> None:
    named = find_names(ALERTS)
    assert named
    assert named <= list_metrics()


def test_every_alert_is_tested_and_explained() -> None:
    alerts = set(re.findall(r"alert: (\w+)", ALERTS))
    assert alerts
    assert alerts == set(re.findall(r"alertname: (\w+)", ALERTS_TEST))
    assert alerts == set(re.findall(r"^\| `([A-Z]\w+)` \|", GUIDE, re.MULTILINE))


def test_the_guide_names_what_exists_and_all_of_it() -> None:
    assert find_names(GUIDE) == {
        name for name in list_metrics() if not name.endswith(("_bucket", "_sum", "_count"))
    } | {name.removesuffix("_bucket") for name in list_metrics() if name.endswith("_bucket")}
