"""The Helm chart, against the code that it is about. What it renders is tested by `make helm-test`."""

import json
import re
import subprocess

import msgspec
import pytest

import deploy
from deploy.secrets import FILES, TOKENS
from shared.amqp import topology
from shared.runtime.settings import PREFIX
from tests.compose_file import FIXED_NAMES, OTHER_NAMES, ROOT
from tools.docs.generate import DOCS
from tools.docs.metrics import find_names, list_series
from tools.docs.settings import SETTINGS_BY_READER, is_secret

CHART = ROOT / "deploy" / "helm" / "kreisfunk"
VALUES = msgspec.yaml.decode((CHART / "values.yaml").read_bytes())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
SCALING = (CHART / "templates" / "scaling.yaml").read_text()
# From other values, or of a program that is not in the cluster.
NOT_SET = re.compile(f"{PREFIX}(SOURCE|DATABASE_STANDBYS|[A-Z_]+_FILE)")


def test_every_setting_that_is_no_secret_can_be_set() -> None:
    settings = {
        f"{PREFIX}{field.upper()}"
        for kind in SETTINGS_BY_READER.values()
        for field, info in kind.model_fields.items()
        if not is_secret(info)
    }
    free = {
        name for name in settings - set(OTHER_NAMES) if not FIXED_NAMES.fullmatch(name) and not NOT_SET.fullmatch(name)
    }
    assert set(SCHEMA["properties"]["settings"]["propertyNames"]["enum"]) == free


def test_the_version_is_ours() -> None:
    chart = msgspec.yaml.decode((CHART / "Chart.yaml").read_bytes())
    assert chart["version"] == chart["appVersion"] == deploy.VERSION


def test_the_guide_builds_the_image_that_the_chart_runs() -> None:
    guide = (DOCS / "guides" / "kubernetes.md").read_text()
    (line,) = re.findall(r"^ +(VERSION=.+)$", guide, re.MULTILINE)
    said = subprocess.run(
        ["sh", "-c", f'{line}; echo "$VERSION"'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"{deploy.VERSION}\n"
    assert set(re.findall(r"registry\.example/kreisfunk:(\S+)", guide)) == {"$VERSION"}
    for example in (CHART.parent / "examples").iterdir():
        assert "tag" not in msgspec.yaml.decode(example.read_bytes())["image"]


def test_secrets_are_the_folders_that_are_made() -> None:
    folders = {file.partition("/")[0] for file in (*FILES, TOKENS)}
    assert set(VALUES["secrets"]) <= folders
    # Programs that run elsewhere, and what only compose has.
    assert folders - set(VALUES["secrets"]) == {"monitor", "pressestelle", "simulator", "systems", "users"}


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("app secret", "kreisfunk_app_secrets"),
        ("Graph token", "kreisfunk_graph_token"),
        ("encryption keys", "kreisfunk_encryption_keys"),
        ("index key", "kreisfunk_index_key"),
        ("keys of subscriptions", "kreisfunk_dead_letter_keys"),
        ("keys of the newsroom", "kreisfunk_newsroom_keys"),
    ],
)
def test_the_guide_names_every_secret_that_a_rotation_changes(what: str, file: str) -> None:
    guide = (DOCS / "guides" / "kubernetes.md").read_text()
    (named,) = re.findall(rf"^\| {what} \| ([^|]+) \|", guide, re.MULTILINE)
    folders = {path.partition("/")[0] for path in FILES if path.endswith(f"/{file}")}
    assert set(re.findall(r"`(\w+)`", named)) == folders & set(VALUES["secrets"])


def test_what_scales_goes_by_metrics_and_a_queue_that_exist() -> None:
    named = {name for name in find_names(SCALING) if name.startswith(f"{PREFIX.lower()}dispatcher_")}
    assert len(named) == 3
    assert named <= list_series()
    assert f"queueName: {topology.SUBSCRIPTIONS_INBOUND.name}\n" in SCALING


def test_a_stop_is_heard_before_another_message_leaves_when_processors_are_short() -> None:
    requests = {name: each["requests"]["cpu"].removesuffix("m") for name, each in VALUES["resources"].items()}
    assert int(min(requests["ingress"], requests["subscriptions"], key=int)) > int(requests["dispatcher"])
