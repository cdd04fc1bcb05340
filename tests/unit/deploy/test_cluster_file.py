"""deploy/compose/cluster.yml names every node to everybody who connects to one."""

import re
from collections.abc import Iterator

import msgspec
import pytest

from tests.compose_file import ROOT, SERVICES, read_environment

FILE = ROOT / "deploy/compose/cluster.yml"
# Only this file has tags for merging, which are not YAML's own.
CLUSTER = msgspec.yaml.decode(FILE.read_text().replace("!override", ""))["services"]
URLS = ("KREISFUNK_BROKER_URL", "KREISFUNK_DATABASE_URL")


def list_urls() -> Iterator[tuple[str, str, str]]:
    for name in SERVICES:
        given = SERVICES[name].get("environment", {})
        yield from ((name, setting, given[setting]) for setting in URLS if setting in given)


@pytest.mark.parametrize(("service", "setting", "url"), list(list_urls()))
def test_whoever_connects_to_one_is_told_of_all(service: str, setting: str, url: str) -> None:
    host, port = re.findall(r"@(\w+):(\d+)/", url)[0]
    hosts = ",".join(f"{name}:{port}" for name in (host, f"{host}-2", f"{host}-3"))
    assert CLUSTER[service]["environment"][setting] == url.replace(f"{host}:{port}", hosts)


def test_whoever_could_find_an_asynchronous_commit_is_told_that_there_are_standbys() -> None:
    told = {
        name for name, service in CLUSTER.items() if "KREISFUNK_DATABASE_STANDBYS" in service.get("environment", {})
    }
    assert told == {name for name in SERVICES if "KREISFUNK_DATABASE_STANDBYS" in SERVICES[name].get("environment", {})}


def test_no_two_servers_share_their_data() -> None:
    folders = [
        mount.partition(":")[0]
        for name in ("rabbitmq-2", "rabbitmq-3", "postgres-2", "postgres-3", "etcd")
        for mount in CLUSTER[name]["volumes"]
        if not mount.startswith(".")
    ]
    assert len(set(folders)) == len(folders) == 5
    assert set(folders).isdisjoint({"postgres-data", "rabbitmq-data"})


def test_the_nodes_of_the_file_are_those_that_find_each_other() -> None:
    names = re.findall(r"= rabbit@(\S+)", (ROOT / "deploy/rabbitmq/compose-nodes.conf").read_text())
    hosts = [CLUSTER[name].get("hostname", "rabbitmq") for name in ("rabbitmq", "rabbitmq-2", "rabbitmq-3")]
    assert names == hosts
    assert read_environment("migrate")["KREISFUNK_BROKER_API_URL"] == "http://rabbitmq:15672"


def test_a_standby_that_is_gone_is_missed_for_longer_than_a_weekend() -> None:
    """The alert counts slots that nobody uses; Patroni gives one up after a time, of itself after half an hour."""
    settings = msgspec.yaml.decode((ROOT / "deploy/patroni/patroni.yml").read_bytes())["bootstrap"]["dcs"]
    (days,) = re.findall(r"^(\d+)d$", settings["member_slots_ttl"])
    assert int(days) > 4


def test_every_broker_is_watched() -> None:
    """A queue's length is known only to the node that leads it."""
    [mounted] = CLUSTER["prometheus"]["volumes"]
    file, place, _ = mounted.split(":")
    folders = {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES["prometheus"]["volumes"]}
    folder, _, name = place.rpartition("/")
    assert (ROOT / folders[folder] / name).is_file(), "it covers the usual one"
    [watched] = msgspec.yaml.decode((ROOT / file).read_bytes())
    assert watched["targets"] == [f"{name}:15692" for name in ("rabbitmq", "rabbitmq-2", "rabbitmq-3")]
