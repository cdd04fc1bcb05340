"""Which processes an environment belongs to."""

from pathlib import Path

from cli.doctor.checks import build_checks
from cli.doctor.findings import DoctorProblem
from cli.doctor.installation import Installation, find_processes, read_all_settings

DISPATCHER = {"KREISFUNK_BROKER_URL": "amqp://dispatcher@broker/", "PATH": "/bin"}


def test_the_broker_login_says_whose_environment_it_is() -> None:
    assert find_processes(DISPATCHER) == {"dispatcher": {"KREISFUNK_BROKER_URL": "amqp://dispatcher@broker/"}}
    assert find_processes({"PATH": "/bin"}) == {}
    assert find_processes({"KREISFUNK_BROKER_URL": "amqp://stranger@broker/"}) == {}


def test_whoever_has_the_management_interface_is_an_administrator_with_any_login() -> None:
    chart = {
        "KREISFUNK_BROKER_URL": "amqp://default_user_Zx9@broker:5672/",
        "KREISFUNK_BROKER_API_URL": "http://broker:15672",
        "KREISFUNK_BROKER_PASSWORD": "x",
        "KREISFUNK_DATABASE_URL": "postgresql://kreisfunk_owner@database/kreisfunk",
        "KREISFUNK_DATABASE_PASSWORD": "x",
        "KREISFUNK_LOGIN_PASSWORDS": "{}",
    }
    assert find_processes(chart) == {"admin": chart}
    names = [check.name for check in build_checks(Installation(processes=find_processes(chart)))]
    assert "broker login default_user_Zx9" in names
    assert "queue arguments" in names


def test_each_folder_of_secrets_is_a_process_with_its_own_login_and_role(tmp_path: Path) -> None:
    for name in ("ingress", "dispatcher", "simulator"):
        (tmp_path / name).mkdir()
    shared = {
        "KREISFUNK_SECRETS_DIR": str(tmp_path),
        "KREISFUNK_BROKER_URL": "amqp://anybody:secret@broker:5672/",
        "KREISFUNK_DATABASE_URL": "postgresql://anybody@database/kreisfunk",
    }
    processes = find_processes(shared)
    assert set(processes) == {"ingress", "dispatcher"}
    assert processes["dispatcher"] == {
        "KREISFUNK_SECRETS_DIR": str(tmp_path / "dispatcher"),
        "KREISFUNK_BROKER_URL": "amqp://dispatcher@broker:5672/",
        "KREISFUNK_DATABASE_URL": "postgresql://kreisfunk_dispatcher@database/kreisfunk",
    }
    assert processes["ingress"]["KREISFUNK_BROKER_URL"] == "amqp://ingress@broker:5672/"


def test_missing_settings_are_all_named_and_no_value_is() -> None:
    found = read_all_settings({"dispatcher": {"KREISFUNK_BROKER_URL": "nonsense-value"}})["dispatcher"]
    assert isinstance(found, DoctorProblem)
    for name in ("BROKER_URL", "DATABASE_URL", "GRAPH_TOKEN", "PHONE_NUMBER_ID", "ENCRYPTION_KEYS", "INDEX_KEY"):
        assert f"KREISFUNK_{name}" in found.what
    assert "nonsense-value" not in found.what
