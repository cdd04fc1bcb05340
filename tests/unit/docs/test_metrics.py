"""The catalogue of metrics: its page, names, and labels that come from our own words."""

import re

from tools.docs.generate import METRICS
from tools.docs.metrics import ALL, find_open_label, list_catalogue, render_metrics_page

CATALOGUE = list_catalogue()
ENTRIES = [(service, metric) for service, metrics in CATALOGUE.items() for metric in metrics]
PREFIXES = {ALL: ("kreisfunk_ready",), "notices": ("kreisfunk_notices_api_",)}


def test_the_page_is_what_the_services_register() -> None:
    assert METRICS.read_text() == render_metrics_page(), "run `python -m tools.docs.generate`"


def test_a_metric_is_called_after_its_service() -> None:
    prefixes = {
        service: PREFIXES.get(service, (f"kreisfunk_{service}_", "kreisfunk_database_")) for service in CATALOGUE
    }
    assert len(ENTRIES) > 60
    assert [metric.name for service, metric in ENTRIES if not metric.name.startswith(prefixes[service])] == []


def test_a_metric_says_what_it_is() -> None:
    assert [metric for _, metric in ENTRIES if not re.match(r"[A-Z0-9].{8,}[^.]$", metric.text)] == []


def test_a_label_has_its_values_from_the_beginning_or_we_know_where_they_come_from() -> None:
    assert [
        (metric.name, label)
        for _, metric in ENTRIES
        for label, values in metric.labels.items()
        if not values and not find_open_label(metric, label)
    ] == []
