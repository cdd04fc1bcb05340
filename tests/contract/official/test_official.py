"""The AsyncAPI document by AsyncAPI's own JSON Schema, bindings included."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tools.asyncapi import FILE

SCHEMAS = Path(__file__).parent / "node_modules" / "@asyncapi" / "specs" / "schemas"


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    document = json.loads(FILE.read_text())
    return Draft7Validator(json.loads((SCHEMAS / f"{document['asyncapi']}.json").read_text()))


@pytest.fixture
def document() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text())
    return read


def test_the_document_is_valid(official: Draft7Validator, document: dict[str, Any]) -> None:
    assert [(error.json_path, error.message) for error in official.iter_errors(document)] == []


def test_the_schema_looks_into_bindings_and_messages(official: Draft7Validator, document: dict[str, Any]) -> None:
    channel = next(iter(document["channels"].values()))
    channel["bindings"]["amqp"]["exchange"]["durable"] = "yes"
    assert not official.is_valid(document)
