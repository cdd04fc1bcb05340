"""Values that the chart does not take, with a reason that can be understood."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.kubernetes.rendering import merge, read_example, render_all

# What of an example is changed, and what is said of it.
REFUSED: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "replicas that may lose a claim": (
        "external",
        {"database": {"external": {"synchronous": False}}},
        "an asynchronous replica that is promoted has lost some",
    ),
    "two instances": (
        "cluster",
        {"database": {"cluster": {"instances": 2}}},
        "the loss of either would stop everything",
    ),
    "a weaker durability": (
        "cluster",
        {"database": {"cluster": {"synchronous": {"dataDurability": "preferred"}}}},
        "synchronous",
    ),
    "two brokers": ("cluster", {"broker": {"cluster": {"replicas": 2}}}, "replicas"),
    "no image of the broker": ("cluster", {"broker": {"cluster": {"image": ""}}}, "broker.cluster.image is needed"),
    "the latest image": ("small", {"image": {"tag": "latest"}}, "tag"),
    "the latest broker": ("small", {"broker": {"cluster": {"image": "registry.example/rabbitmq:latest"}}}, "image"),
    "no number": ("small", {"settings": {"KREISFUNK_PHONE_NUMBER_ID": ""}}, "KREISFUNK_PHONE_NUMBER_ID"),
    "a number that YAML rounds": (
        "small",
        {"settings": {"KREISFUNK_PHONE_NUMBER_ID": 700800900100200}},
        "KREISFUNK_PHONE_NUMBER_ID",
    ),
    "a secret among the settings": ("small", {"settings": {"KREISFUNK_GRAPH_TOKEN": "x"}}, "KREISFUNK_GRAPH_TOKEN"),
    "a setting of the chart's": ("small", {"settings": {"KREISFUNK_BROKER_URL": "x"}}, "KREISFUNK_BROKER_URL"),
    "a misspelt key": ("small", {"service": {}}, "service"),
    "everybody": ("small", {"network": {"routers": []}}, "routers"),
    "no way to the database": (
        "external",
        {"database": {"external": {"networks": []}}},
        "database.external.networks is needed",
    ),
    "no way to the broker": (
        "external",
        {"broker": {"external": {"networks": []}}},
        "broker.external.networks is needed",
    ),
    "alerts without the broker's metrics": (
        "external",
        {"broker": {"external": {"metrics": []}}},
        "broker.external.metrics is needed",
    ),
    "no way to the identity provider": ("cluster", {"network": {"identity": []}}, "network.identity is needed"),
    "no host": ("external", {"database": {"external": {"host": ""}}}, "database.external.host is needed"),
    "no Prometheus": (
        "cluster",
        {"scaling": {"dispatcher": {"prometheus": ""}}},
        "scaling.dispatcher needs the address of Prometheus",
    ),
    "feeds of an example": ("cluster", {"config": {"feeds": ""}}, "the addresses in the image's are examples"),
    "no TLS": ("cluster", {"routes": {"archive": {"tlsSecret": ""}}}, "routes.archive.tlsSecret is needed"),
    "no limits": ("small", {"resources": {"newsroom": {"requests": {"cpu": "1", "memory": "1Gi"}}}}, "limits"),
}


@pytest.fixture(scope="module")
def reasons() -> Mapping[str, str]:
    values = [merge(read_example(example), changes) for example, changes, _ in REFUSED.values()]
    return dict(zip(REFUSED, (each.refused for each in render_all(values)), strict=True))


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_a_reason(reasons: Mapping[str, str], case: str) -> None:
    assert REFUSED[case][2] in reasons[case]
