"""Rules against the code that they are about. What the rules do is tested with promtool."""

import re
from pathlib import Path

import msgspec

import deploy
from tests.unit.docs.test_runbooks import ALERTS, RULES
from tools.docs.metrics import find_names, list_series

FOLDER = Path(deploy.__file__).parent / "prometheus"
TESTS = [test for file in FOLDER.glob("*_test.yml") for test in msgspec.yaml.decode(file.read_bytes())["tests"]]
NAME = re.compile(r"\b(?:kreisfunk|rabbitmq)_[a-z_]+\b")


def list_tested(*, firing: bool) -> set[str]:
    rules = [rule for test in TESTS for rule in test["alert_rule_test"]]
    return {rule["alertname"] for rule in rules if bool(rule["exp_alerts"]) == firing}


def test_every_metric_in_a_rule_exists() -> None:
    named = {name for rule in RULES for name in find_names(rule["expr"])}
    assert named
    assert named <= list_series()


def test_of_every_alert_it_is_tested_that_it_fires_and_that_it_does_not() -> None:
    assert set(ALERTS) == list_tested(firing=True) == list_tested(firing=False)


def test_a_metric_that_an_alert_reads_is_missed() -> None:
    """Not everybody has feeds."""
    read = {name for rule in RULES for name in NAME.findall(rule["expr"]) if not name.startswith("kreisfunk_feeds_")}
    missed = set(re.findall(r"absent\((\w+)\)", ALERTS["MetricMissing"]["expr"]))
    assert read == missed
