"""Rules against the code that they are about. What the rules do is tested with promtool."""

import re
from pathlib import Path

import msgspec

import deploy
from services.subscriptions.domain.broadcast import MAX_PAGE_RECIPIENTS
from shared.amqp import topology
from shared.amqp.consumer import MAX_QUARANTINED_BYTES
from shared.contracts.message import Lane
from tests.alert_rules import ALERTS, RULES
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


def test_every_queue_that_a_service_works_off_is_watched() -> None:
    """Lanes of broadcasts are full by design, and the newsroom's events have an alert of their own."""
    expression = ALERTS["QueueNotWorkedOff"]["expr"]
    [watched], [left_out] = re.findall(r'queue=~"(.+?)"', expression), re.findall(r'queue!="(.+?)"', expression)
    seen = {name for name in topology.list_arguments() if re.fullmatch(watched, name)} - {left_out}
    by_design = {topology.NEWSROOM_EVENTS, topology.LANES[Lane.URGENT], topology.LANES[Lane.BULK]}
    assert seen == {queue.name for queue in topology.QUEUES if queue not in by_design}


def test_the_quarantine_is_nearly_full_before_the_longest_notices_fill_it() -> None:
    [most] = re.findall(r"> (\d+)", ALERTS["QuarantineNearlyFull"]["expr"])
    assert topology.MAX_QUARANTINE_BYTES * 0.9 < int(most) * MAX_QUARANTINED_BYTES < topology.MAX_QUARANTINE_BYTES


def test_an_urgent_notice_is_late_only_beyond_what_its_lane_and_the_dispatchers_hold() -> None:
    """Those have taken a few batches of a full lane."""
    [limit] = re.findall(r"(\d+) / scalar", ALERTS["LaneDelayed"]["expr"])
    assert int(limit) == 1.5 * topology.MAX_LANE_BATCHES * MAX_PAGE_RECIPIENTS


def test_an_expansion_is_waited_for_only_while_its_lane_takes_batches() -> None:
    """A quorum queue that was full takes messages again when four fifths are left."""
    [full] = re.findall(r">= (\d+)", ALERTS["ExpansionStalled"]["expr"])
    assert int(full) == 0.8 * topology.MAX_LANE_BATCHES
