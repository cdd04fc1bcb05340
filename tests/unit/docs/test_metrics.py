"""The catalogue of metrics: its page, Prometheus' rules for names, and labels that come from our own words."""

import re

import pytest

from tools.docs.generate import METRICS
from tools.docs.metrics import ALL, CataloguedMetric, find_open_label, list_catalogue, render_metrics_page

CATALOGUE = list_catalogue()
ENTRIES = [(service, metric) for service, metrics in CATALOGUE.items() for metric in metrics]
EVERY_METRIC = pytest.mark.parametrize(("service", "metric"), ENTRIES, ids=lambda each: getattr(each, "name", each))
# What a query gets from Prometheus, and units that are none of its base units.
RESERVED = re.compile(r"_(?:count|sum|bucket|info)$")
NOT_BASE = re.compile(
    r"_(?:ms|millis|milliseconds|minutes?|hours?|days?|kb|mb|kilobytes|megabytes|percent|cents?)(?:_|$)"
)
ABOUT_TIME = re.compile(r"^(?:Age|When|Time|Wait|From|Lateness)\b")
PREFIXES = {ALL: ("kreisfunk_ready",), "notices": ("kreisfunk_notices_api_",)}


def test_the_page_is_what_the_services_register() -> None:
    assert METRICS.read_text() == render_metrics_page(), "run `python -m tools.docs.generate`"


@EVERY_METRIC
def test_a_name_is_as_prometheus_wants_it(service: str, metric: CataloguedMetric) -> None:
    prefixes = PREFIXES.get(service, (f"kreisfunk_{service}_", "kreisfunk_database_"))
    assert re.fullmatch(r"[a-z]+(?:_[a-z]+)+", metric.name)
    assert metric.name.startswith(prefixes)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not RESERVED.search(metric.name)
    assert not NOT_BASE.search(metric.name)
    if ABOUT_TIME.search(metric.text):
        assert metric.unit in ("seconds", "Unix time")
    if metric.kind == "histogram":
        assert metric.name.endswith(("_seconds", "_size"))


@EVERY_METRIC
def test_a_metric_says_what_it_is(service: str, metric: CataloguedMetric) -> None:
    assert re.match(r"[A-Z0-9].{8,}[^.]$", metric.text)


@EVERY_METRIC
def test_a_label_has_its_values_from_the_beginning_or_we_know_where_they_come_from(
    service: str, metric: CataloguedMetric
) -> None:
    unknown = [label for label, values in metric.labels.items() if not values and not find_open_label(metric, label)]
    assert unknown == []


def test_a_metric_is_registered_once() -> None:
    names = [metric.name for _, metric in ENTRIES]
    assert len(names) == len(set(names)) > 60
