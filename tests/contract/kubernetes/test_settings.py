"""Settings of every process as the chart sets them, read by the process's own settings."""

import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.atomic_write import write_secret
from deploy.paths import ROOT
from deploy.secrets import create_secrets
from shared.runtime.settings import PREFIX, explain
from tests.contract.kubernetes.rendering import RELEASE, RUN_ONCE, TOOLS, Document, Installation, find_container
from tools.docs.settings import SETTINGS_BY_READER, is_secret

# By what the guide calls it.
READERS: Mapping[str, tuple[str, ...]] = {
    "ingress": ("ingress",),
    "notices": ("notices over HTTP",),
    "subscriptions": ("subscriptions",),
    "dispatcher": ("dispatcher",),
    "newsroom": ("newsroom", "`kreisfunk newsroom users`"),
    "feeds": ("feeds, `kreisfunk feeds`",),
    "migrate": ("`kreisfunk migrate`",),
    "admin": ("`kreisfunk migrate`", "`kreisfunk systems`"),
    "operate": (next(name for name in SETTINGS_BY_READER if name.startswith("`kreisfunk sending`")),),
    "quarantine": ("`kreisfunk quarantine`",),
    "keys": ("`kreisfunk keys`",),
}
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    create_secrets(folder)
    return folder


def read_environment(installed: Installation, container: Document) -> dict[str, str]:
    (source,) = container["envFrom"]
    assert source == {"configMapRef": {"name": f"{RELEASE}-settings"}}
    environment: dict[str, str] = dict(installed.find("ConfigMap", "settings")["data"])
    for variable in container["env"]:
        value = variable.get("value", "login-of-the-operator")
        environment[variable["name"]] = value.replace("$(BROKER_LOGIN)", environment.get("BROKER_LOGIN", ""))
    return environment


def list_sources(pod: Document, folder: str) -> Iterator[Document]:
    (volume,) = (one for one in pod["spec"]["volumes"] if one["name"] == folder)
    yield from (source["secret"] for source in volume["projected"]["sources"])


def mount(pod: Document, secrets: Path, root: Path) -> None:
    """Lay the secrets where the container finds them; the operators' own are made up."""
    for volume_mount in find_container(pod)["volumeMounts"]:
        if not volume_mount["mountPath"].startswith("/secrets/"):
            continue
        target = root / volume_mount["mountPath"].lstrip("/")
        target.mkdir(parents=True)
        for source in list_sources(pod, volume_mount["name"]):
            if not source["name"].startswith("kreisfunk-"):
                (item,) = source["items"]
                write_secret(target / item["path"], "made by an operator")
                continue
            folder = secrets / source["name"].removeprefix("kreisfunk-")
            wanted = [item["key"] for item in source.get("items", ())] or [each.name for each in folder.iterdir()]
            for name in wanted:
                shutil.copy(folder / name, target / name)


def test_every_process_is_known(installed: Installation) -> None:
    assert {component for component, _ in installed.list_pods()} | {"feeds"} == set(READERS)


def test_every_process_can_read_its_settings(
    installed: Installation, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # which the image has at its working directory
    for name, text in (installed.find("ConfigMap", "config")["data"] or {}).items():
        (tmp_path / name).write_text(text)
    for component, pod in installed.list_pods():
        root = tmp_path / component
        mount(pod, secrets, root)
        environment = read_environment(installed, find_container(pod))
        folder = root / environment.pop(SECRETS_DIR).lstrip("/")
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value.replace("/config/", f"{tmp_path}/"))
            for reader in READERS[component]:
                kind = SETTINGS_BY_READER[reader]
                try:
                    kind(_secrets_dir=folder)
                except ValidationError as error:
                    pytest.fail(f"{component}: {explain(error, kind)}")


def test_the_pod_of_notices_gets_its_password_and_tokens_and_no_key(
    installed: Installation, secrets: Path, tmp_path: Path
) -> None:
    mounted = {}
    for component, pod in installed.list_pods():
        root = tmp_path / component
        mount(pod, secrets, root)
        mounted[component] = {path.name for path in root.rglob("*") if path.is_file()}
    assert mounted["notices"] == {"kreisfunk_broker_password", "tokens.json"}
    assert {name for name in mounted["ingress"] if name.endswith(("_key", "_keys"))}, "as others have"


def test_secrets_are_files_only(installed: Installation) -> None:
    secret = {
        f"{PREFIX}{field.upper()}"
        for kind in SETTINGS_BY_READER.values()
        for field, info in kind.model_fields.items()
        if is_secret(info)
    }
    for component, pod in installed.list_pods():
        assert not secret & set(read_environment(installed, find_container(pod))), component


def test_everything_that_runs_is_a_module_of_ours(installed: Installation) -> None:
    for component, pod in installed.list_pods():
        command = find_container(pod)["command"]
        if component in TOOLS:
            assert command == ["sleep", "infinity"]
        elif component in RUN_ONCE:
            assert command == ["kreisfunk", "migrate"]
        else:
            python, option, module = command
            assert (python, option) == ("python", "-m")
            assert find_spec(f"{module}.__main__")


def test_ports_are_those_at_which_processes_listen(installed: Installation) -> None:
    for component, pod in installed.list_pods():
        ports = {port["name"]: port["containerPort"] for port in find_container(pod).get("ports", ())}
        for name, setting in (
            ("internal", "internal_port"),
            ("ingress", "listen_port"),
            ("notices", "notices_api_port"),
            ("newsroom", "newsroom_port"),
            ("archive", "archive_port"),
        ):
            if name in ports:
                assert SETTINGS_BY_READER[READERS[component][0]].model_fields[setting].default == ports[name]
