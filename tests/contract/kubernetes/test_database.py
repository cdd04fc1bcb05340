"""The database that the chart asks CloudNativePG for: its connections, its backup, and how it comes back."""

from collections.abc import Mapping

import msgspec
import pytest

from services.dispatcher import wiring as dispatcher
from services.newsroom import wiring as newsroom
from services.subscriptions import wiring as subscriptions
from tests.contract.kubernetes.rendering import KUBERNETES, Document, Installation, merge, read_example, render_all
from tests.contract.kubernetes.test_schemas import list_problems
from tools.docs.generate import DOCS

POOLS = {
    "dispatcher": dispatcher.POOL_SIZE,
    "subscriptions": subscriptions.POOL_SIZE,
    "newsroom": newsroom.POOL_SIZE,
}
EXPORTER_AND_ADMINISTRATORS = 20


def read_guide() -> list[Document]:
    """The values of a database's cluster that the guide shows."""
    guide = (DOCS / "guides" / "kubernetes.md").read_text()
    blocks = [block for block in guide.split("\n\n") if block.lstrip().startswith("database:\n")]
    return [msgspec.yaml.decode(block)["database"]["cluster"] for block in blocks]


def render_cluster(changes: Mapping[str, object]) -> Document:
    (installed,) = render_all([merge(read_example("cluster"), {"database": {"cluster": changes}})])
    assert installed.refused == ""
    assert list_problems(installed.documents, KUBERNETES[0]) == []
    spec: Document = installed.find("Cluster", "database")["spec"]
    return spec


def test_a_restored_database_reads_the_old_archive_and_writes_to_one_of_its_own() -> None:
    archive, recovery = read_guide()
    created, restored = render_cluster(archive), render_cluster(recovery)
    assert set(created["bootstrap"]) == {"initdb"}
    assert restored["bootstrap"] == {
        "recovery": {"source": "lost", "database": "kreisfunk", "owner": "kreisfunk_owner"}
    }
    (old,), (lost,), (new,) = created["plugins"], restored["externalClusters"], restored["plugins"]
    assert old["isWALArchiver"]
    assert new["isWALArchiver"]
    assert lost["name"] == "lost"
    assert lost["plugin"]["parameters"] == {**old["parameters"], "serverName": "kreisfunk-database"}
    assert new["parameters"]["serverName"] != lost["plugin"]["parameters"]["serverName"]


def test_snapshots_of_the_volumes_are_handed_on() -> None:
    snapshots = {"volumeSnapshot": {"className": "snapshots"}}
    assert render_cluster({"backup": snapshots})["backup"] == snapshots


def test_the_database_confirms_what_a_replica_has(installations: Mapping[str, Installation]) -> None:
    spec = installations["cluster"].find("Cluster", "database")["spec"]
    assert spec["instances"] == 3
    assert spec["postgresql"]["synchronous"] == {
        "method": "any",
        "number": 1,
        "dataDurability": "required",
        "failoverQuorum": True,
    }
    assert "synchronous" not in installations["small"].find("Cluster", "database")["spec"]["postgresql"]


@pytest.mark.parametrize("example", ["small", "cluster"])
def test_the_database_has_connections_for_all_replicas_while_they_are_replaced(
    installations: Mapping[str, Installation], example: str
) -> None:
    installed = installations[example]
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["maxReplicaCount"]
        for each in installed.list_kind("ScaledObject")
    }
    taken = 0
    for name, size in POOLS.items():
        deployment = installed.find("Deployment", name)
        most = scaled.get(deployment["metadata"]["name"]) or deployment["spec"]["replicas"]
        surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        taken += size * (most + surge + 1)  # one ends and still has its own
    given = installed.find("Cluster", "database")["spec"]["postgresql"]["parameters"]["max_connections"]
    assert int(given) >= taken + EXPORTER_AND_ADMINISTRATORS
