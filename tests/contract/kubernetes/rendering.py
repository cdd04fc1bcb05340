"""The chart as Helm renders it, in a process of the fetched tools."""

import copy
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from deploy.paths import ROOT

CHART = ROOT / "deploy" / "helm" / "kreisfunk"
RELEASE, NAMESPACE = "funk", "county"
EXAMPLES = tuple(sorted(path.stem for path in (CHART.parent / "examples").glob("*.yaml")))
# The oldest that the chart takes, and a newer one.
KUBERNETES = ("1.30", "1.37")
_RENDER = """
import json, sys
import helm_python, yaml

def render(chart, values, name, namespace):
    try:
        chart.validate_schema(values)
        texts = chart.render(values, name=name, namespace=namespace)
    except helm_python.HelmError as error:
        return {"documents": [], "refused": str(error)}
    texts = [text for file, text in texts.items() if file.endswith(".yaml")]
    return {"documents": [one for text in texts for one in yaml.safe_load_all(text) if one], "refused": ""}

with helm_python.Chart.load(sys.argv[1]) as chart:
    json.dump([render(chart, values, *sys.argv[2:]) for values in json.load(sys.stdin)], sys.stdout)
"""
_VALIDATE = """
import functools, json, sys
import kubernetes_validate
from kubernetes_validate import utils

utils.schema_contents = functools.cache(utils.schema_contents)  # else megabytes are read for each document

def find_problem(document, version):
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return "unknown"
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return ""

json.dump([find_problem(one, sys.argv[1]) for one in json.load(sys.stdin)], sys.stdout)
"""
TOOLS = {"admin", "operate", "quarantine", "keys"}
RUN_ONCE = {"migrate"}
Document = dict[str, Any]


class Installation(NamedTuple):
    """Resources that Helm would install, or the reason why the chart refuses the values."""

    documents: list[Document]
    refused: str

    def list_kind(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] == kind]

    def find(self, kind: str, name: str) -> Document:
        (found,) = (one for one in self.list_kind(kind) if one["metadata"]["name"] == f"{RELEASE}-{name}")
        return found

    def list_pods(self) -> Iterator[tuple[str, Document]]:
        """The templates of all pods of ours, by their component."""
        for document in (*self.list_kind("Deployment"), *self.list_kind("Job")):
            pod = document["spec"]["template"]
            yield pod["metadata"]["labels"]["app.kubernetes.io/component"], pod


def find_container(pod: Document) -> Document:
    container: Document
    (container,) = pod["spec"]["containers"]
    return container


def read_example(name: str) -> Document:
    read: Document = msgspec.yaml.decode((CHART.parent / "examples" / f"{name}.yaml").read_bytes())
    return read


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an example, changed."""
    merged = copy.deepcopy(dict(values))
    for key, value in changes.items():
        merged[key] = merge(merged.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged


def render_all(values: Sequence[Mapping[str, Any]]) -> list[Installation]:
    """Render the chart once for each, in one process of Helm."""
    rendered = _run(_RENDER, values, str(CHART), RELEASE, NAMESPACE)
    return [Installation(each["documents"], each["refused"]) for each in rendered]


def validate_all(documents: Sequence[Document], version: str) -> list[str]:
    """The problem of each by the API of Kubernetes, "unknown" if that has no such kind, or nothing."""
    problems: list[str] = _run(_VALIDATE, documents, version)
    return problems


def _run(program: str, given: object, *arguments: str) -> Any:
    python = Path(os.environ["KREISFUNK_TEST_HELM"]) / "bin" / "python"
    ended = subprocess.run(
        [python, "-c", program, *arguments], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
