"""Every rendered resource, by the API of Kubernetes or by the schema of its operator."""

import copy
from collections.abc import Mapping

import pytest
from jsonschema import Draft202012Validator

from tests.contract.kubernetes.custom_resources import KINDS
from tests.contract.kubernetes.rendering import KUBERNETES, Document, Installation, validate_all


def list_problems(documents: list[Document], version: str) -> list[tuple[str, str]]:
    problems = zip(documents, validate_all(documents, version), strict=True)
    return [(describe(each), found) for each, problem in problems if (found := refine(each, problem))]


def describe(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def refine(document: Document, problem: str) -> str:
    """What Kubernetes does not know, an operator has to."""
    kind = KINDS.get((document["apiVersion"], document["kind"]))
    if problem != "unknown" or kind is None:
        return problem
    errors = Draft202012Validator(kind).iter_errors(document)
    return next((f"{error.json_path}: {error.message}" for error in errors), "")


@pytest.mark.parametrize("version", KUBERNETES)
def test_all_that_is_rendered_is_valid(installed: Installation, version: str) -> None:
    assert len(installed.documents) > 30
    assert list_problems(installed.documents, version) == []


def test_nothing_is_rendered_twice(installed: Installation) -> None:
    names = [describe(document) for document in installed.documents]
    assert len(names) == len(set(names))


def test_every_custom_resource_is_in_an_example(installations: Mapping[str, Installation]) -> None:
    rendered = {(one["apiVersion"], one["kind"]) for each in installations.values() for one in each.documents}
    assert set(KINDS) <= rendered


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("Deployment", "dispatcher", ("spec", "template", "spec", "unwanted"), True),
        ("Deployment", "ingress", ("spec", "replicas"), "2"),
        ("NetworkPolicy", "newsroom", ("spec", "egress"), {"to": []}),
        ("Cluster", "database", ("spec", "postgresql", "synchronous", "number"), "1"),
        ("RabbitmqCluster", "broker", ("spec", "rabbitmq", "plugins"), []),
        ("ScaledObject", "dispatcher", ("spec", "triggers"), []),
    ],
)
def test_a_mistake_would_be_found(
    installations: Mapping[str, Installation], kind: str, name: str, path: tuple[str, ...], value: object
) -> None:
    document = copy.deepcopy(installations["cluster"].find(kind, name))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert len(list_problems([document], KUBERNETES[0])) == 1
