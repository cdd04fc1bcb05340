"""The AsyncAPI document by AsyncAPI's own JSON Schema, bindings included."""

import json
from pathlib import Path

from jsonschema import Draft7Validator

from tools.asyncapi import FILE

SCHEMAS = Path(__file__).parent / "node_modules" / "@asyncapi" / "specs" / "schemas"


def test_the_document_is_valid() -> None:
    document = json.loads(FILE.read_text())
    official = Draft7Validator(json.loads((SCHEMAS / f"{document['asyncapi']}.json").read_text()))
    assert [(error.json_path, error.message) for error in official.iter_errors(document)] == []
