"""Monitoring of the chart: targets, intervals, alerts and dashboards."""

import re
from collections.abc import Mapping

import msgspec
import pytest

from deploy.paths import ROOT
from tests.contract.kubernetes.rendering import Installation, read_example


def test_the_alerts_are_those_of_prometheus(installations: Mapping[str, Installation]) -> None:
    (rule,) = installations["cluster"].list_kind("PrometheusRule")
    assert rule["spec"] == msgspec.yaml.decode((ROOT / "deploy" / "prometheus" / "alerts.yml").read_bytes())


@pytest.mark.parametrize("example", ["cluster", "external"])
def test_every_window_of_the_alerts_has_several_samples(
    installations: Mapping[str, Installation], example: str
) -> None:
    """The usual interval of a Prometheus may be a minute: a rate of a minute would have one sample."""
    installed = installations[example]
    intervals = [one["spec"]["scrapeInterval"] for one in installed.list_kind("ScrapeConfig")]
    for kind, endpoints in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        intervals += [each["interval"] for one in installed.list_kind(kind) for each in one["spec"][endpoints]]
    assert set(intervals) == {"15s"}
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    assert "[1m]" in rules
    assert not re.search(r"\[\d+s\]", rules)


@pytest.mark.parametrize("example", ["cluster", "external"])
def test_the_broker_is_watched_as_the_alerts_expect_wherever_it_runs(
    installations: Mapping[str, Installation], example: str
) -> None:
    installed = installations[example]
    looks = [one["spec"] for one in installed.list_kind("ScrapeConfig")]
    looks += [each for one in installed.list_kind("ServiceMonitor") for each in one["spec"]["endpoints"]]
    paths = {
        each["replacement"]: look.get("path", look.get("metricsPath"))
        for look in looks
        for each in look["relabelings"]
        if each["targetLabel"] == "job" and "replacement" in each
    }
    jobs = msgspec.yaml.decode((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_bytes())["scrape_configs"]
    assert paths == {job["job_name"]: job.get("metrics_path") for job in jobs if job["job_name"].startswith("rabbitmq")}


def test_every_node_of_an_external_broker_is_watched(installations: Mapping[str, Installation]) -> None:
    """A queue's length is known only to the node that leads it."""
    wanted = read_example("external")["broker"]["external"]["metrics"]
    assert len(wanted) == 3
    for look in installations["external"].list_kind("ScrapeConfig"):
        assert look["spec"]["staticConfigs"] == [{"targets": wanted}]


def test_dashboards_are_those_of_grafana(installations: Mapping[str, Installation]) -> None:
    folder = ROOT / "deploy" / "grafana" / "dashboards"
    data = installations["cluster"].find("ConfigMap", "dashboards")["data"]
    assert data == {path.name: path.read_text() for path in folder.iterdir()}
