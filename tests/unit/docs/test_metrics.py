"""The catalogue of metrics: its page, Prometheus' rules for names, and labels that come from our own words."""

import re
from collections.abc import Iterator

from tools.docs.generate import METRICS
from tools.docs.metrics import ALL, CataloguedMetric, find_open_label, list_catalogue, render_metrics_page

CATALOGUE = list_catalogue()
ENTRIES = [(service, metric) for service, metrics in CATALOGUE.items() for metric in metrics]
# What a query gets from Prometheus, and units that are none of its base units.
RESERVED = re.compile(r"_(?:count|sum|bucket|info)$")
NOT_BASE = re.compile(
    r"_(?:ms|millis|milliseconds|minutes?|hours?|days?|kb|mb|kilobytes|megabytes|percent|cents?)(?:_|$)"
)
ABOUT_TIME = re.compile(r"^(?:Age|When|Time|Wait|From|Lateness)\b")
PREFIXES = {ALL: ("kreisfunk_ready",), "notices": ("kreisfunk_notices_api_",)}


def test_the_page_is_what_the_services_register() -> None:
    assert METRICS.read_text() == render_metrics_page(), "run `python -m tools.docs.generate`"


def find_name_problems(service: str, metric: CataloguedMetric) -> Iterator[str]:
    prefixes = PREFIXES.get(service, (f"kreisfunk_{service}_", "kreisfunk_database_"))
    if not re.fullmatch(r"[a-z]+(?:_[a-z]+)+", metric.name) or not metric.name.startswith(prefixes):
        yield "is not called after its service"
    if metric.name.endswith("_total") != (metric.kind == "counter"):
        yield "only a counter ends with _total"
    if RESERVED.search(metric.name):
        yield "ends as Prometheus' own"
    if NOT_BASE.search(metric.name):
        yield "has another unit than a base unit"
    if ABOUT_TIME.search(metric.text) and metric.unit not in ("seconds", "Unix time"):
        yield "is about time"
    if metric.kind == "histogram" and not metric.name.endswith(("_seconds", "_size")):
        yield "is a histogram of neither times nor sizes"


def test_names_are_as_prometheus_wants_them() -> None:
    problems = {metric.name: list(find_name_problems(service, metric)) for service, metric in ENTRIES}
    assert {name: found for name, found in problems.items() if found} == {}


def test_a_metric_says_what_it_is() -> None:
    assert [metric for _, metric in ENTRIES if not re.match(r"[A-Z0-9].{8,}[^.]$", metric.text)] == []


def test_a_label_has_its_values_from_the_beginning_or_we_know_where_they_come_from() -> None:
    assert [
        (metric.name, label)
        for _, metric in ENTRIES
        for label, values in metric.labels.items()
        if not values and not find_open_label(metric, label)
    ] == []


def test_a_metric_is_registered_once() -> None:
    names = [metric.name for _, metric in ENTRIES]
    assert len(names) == len(set(names)) > 60
