"""No container can do, see or reach more than it needs."""

from typing import Any

import pytest

from tests.e2e.compose.conftest import MainUseCaseResult
from tests.e2e.compose.engine import ComposeProject, EngineError

pytestmark = pytest.mark.timeout(900)

SEES = {
    "backup": {"admin-secrets"},
    "dispatcher": {"dispatcher-secrets"},
    "doctor": {"dispatcher-secrets"},
    "feeds": {"feeds-secrets"},
    "grafana": {"grafana-secrets"},
    "ingress": {"ingress-secrets"},
    "keys": {"rotation-secrets"},
    "migrate": {"admin-secrets"},
    "newsroom": {"newsroom-secrets"},
    "notices": {"notices-secrets", "tokens-secrets"},
    "operate": {"operator-secrets"},
    "postgres": {"postgres-secrets"},
    "prometheus": set(),
    "publish": {"pressestelle-secrets"},
    "quarantine": {"quarantine-secrets"},
    "rabbitmq": {"rabbitmq-secrets"},
    "restore": {"admin-secrets"},
    "setup": {"dispatcher-secrets", "ingress-secrets"},
    "simulator": {"simulator-secrets"},
    "subscriptions": {"subscriptions-secrets"},
    "systems": {"systems-secrets"},
    "tokens": {"tokens-secrets"},
    "users": {"users-secrets"},
    "withdraw": {"pressestelle-secrets"},
}
READ_ALL = "from pathlib import Path; print(*(p.read_text() for p in Path('/secrets').rglob('*') if p.is_file()))"
CONNECT = "import socket; socket.create_connection(('{host}', {port}), timeout=3)"


async def test_each_service_sees_its_own_secrets_only_and_cannot_change_them(compose: ComposeProject) -> None:
    services = (await compose.read_configuration())["services"]
    mounted = {name: _secret_volumes(service) for name, service in services.items() if name != "secrets"}
    assert {name: set(volumes) for name, volumes in mounted.items()} == SEES
    assert {name for name, volumes in mounted.items() if not all(volumes.values())} == {"setup", "tokens"}


def _secret_volumes(service: dict[str, Any]) -> dict[str, bool]:
    volumes = service.get("volumes", [])
    return {
        volume["source"]: volume.get("read_only", False) for volume in volumes if volume["source"].endswith("-secrets")
    }


async def test_containers_run_without_root_without_rights_and_write_nowhere(compose: ComposeProject) -> None:
    for container in await compose.list_containers():
        host, user = container["HostConfig"], container["Config"]["User"]
        assert user not in ("", "root", "0"), container["Name"]
        assert host["ReadonlyRootfs"], container["Name"]
        assert (host["CapDrop"], host["CapAdd"] or []) == (["ALL"], []), container["Name"]
        assert "no-new-privileges:true" in host["SecurityOpt"], container["Name"]
        assert min(host["Memory"], host["PidsLimit"]) > 0, container["Name"]


async def test_the_image_holds_only_what_an_installation_runs(compose: ComposeProject) -> None:
    folders = (await compose.execute("ingress", "find", "/app", "-maxdepth", "2", "-type", "d")).split()
    assert {folder for folder in folders if folder.count("/") == 2} == {
        *("/app/cli", "/app/deploy", "/app/newsroom-assets", "/app/services", "/app/shared"),
    }
    assert not {"/app/deploy/local", "/app/cli/demo"} & set(folders)
    commands = await compose.execute("ingress", "kreisfunk", "--help")
    assert "doctor" in commands
    assert "demo" not in commands


async def test_ports_are_published_on_this_machine_only(compose: ComposeProject) -> None:
    services = (await compose.read_configuration())["services"]
    published = {name: {port["host_ip"] for port in service.get("ports", [])} for name, service in services.items()}
    assert {name for name, addresses in published.items() if addresses} == {
        "grafana",
        "ingress",
        "newsroom",
        "notices",
        "prometheus",
        "simulator",
    }
    assert set().union(*published.values()) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("service", "host", "port"),
    [
        ("ingress", "postgres", 5432),
        ("notices", "postgres", 5432),
        ("simulator", "postgres", 5432),
        ("simulator", "rabbitmq", 5672),
    ],
)
async def test_what_everybody_can_reach_cannot_reach_data(
    service: str, host: str, port: int, compose: ComposeProject
) -> None:
    with pytest.raises(EngineError, match="gaierror"):
        await compose.execute(service, "python", "-c", CONNECT.format(host=host, port=port))


@pytest.mark.parametrize(("host", "port"), [("postgres", 5432), ("rabbitmq", 5672)])
async def test_feeds_reach_the_notices_api_and_no_data(host: str, port: int, compose: ComposeProject) -> None:
    run = ("--profile", "feeds", "run", "--rm", "-T", "--no-deps", "feeds", "python", "-c")
    await compose.run(*run, CONNECT.format(host="notices", port=8081))
    with pytest.raises(EngineError, match="gaierror"):
        await compose.run(*run, CONNECT.format(host=host, port=port))


async def test_logs_know_no_secret_no_number_and_no_text(played: MainUseCaseResult, compose: ComposeProject) -> None:
    secret = ("run", "--rm", "--no-deps", "secrets", "python", "-c", READ_ALL)
    values = {value for value in (await compose.run(*secret)).split() if len(value) > 20}
    logs = await compose.run("logs", "--no-color")
    assert len(values) > 15
    assert not [place for place, value in enumerate(values) if value in logs]
    assert not [word for word in ("4917604069", "Vollsperrung", "wamid.") if word in logs]
