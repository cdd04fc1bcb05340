"""The file for a cluster, as the engine understands it together with the one that it extends."""

from tests.e2e.compose.engine import ComposeProject

FILES = ("-f", "docker-compose.yml", "-f", "deploy/compose/cluster.yml")
SERVERS = {
    "rabbitmq": ("rabbitmq", "rabbitmq-2", "rabbitmq-3"),
    "postgres": ("postgres", "postgres-2", "postgres-3"),
}


async def test_each_server_of_a_cluster_is_as_hardened_as_the_one_that_stands_alone(compose: ComposeProject) -> None:
    alone = (await compose.read_configuration())["services"]
    together = (await compose.read_configuration(*FILES))["services"]
    for kind, names in SERVERS.items():
        for name in names:
            for rule in ("read_only", "cap_drop", "security_opt", "user", "restart", "logging", "tmpfs", "deploy"):
                assert together[name][rule] == alone[kind][rule]
    data = [volume["source"] for names in SERVERS.values() for name in names for volume in together[name]["volumes"]]
    assert len([source for source in data if source.endswith("-data")]) == 6
    assert set(alone) | set(SERVERS["rabbitmq"]) | set(SERVERS["postgres"]) | {"etcd"} == set(together)
