"""Generator of the JSON Schemas beside the contracts: `python -m tools.schemas`.

A change to the schema of a type in use is breaking unless it only adds an optional field; a breaking change needs a new
version of the type.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from shared.contracts.envelope import MESSAGES
from shared.contracts.message import Message

CONTRACTS = Path(__file__).parents[1] / "shared" / "contracts"
SCHEMAS = CONTRACTS / "schemas"
EXAMPLES = CONTRACTS / "examples"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_schema(kind: type[Message]) -> dict[str, Any]:
    schema = {"$schema": DIALECT, "title": kind.TYPE, **msgspec.json.schema(kind)}
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition.get("description", ""))
    plain: dict[str, Any] = json.loads(json.dumps(schema))
    return plain


def locate_schema(type_name: str) -> Path:
    return SCHEMAS / f"{type_name}.json"


def write_all() -> None:
    """Write one file for each type of the registry; remove all others."""
    for path in SCHEMAS.glob("*.json"):
        path.unlink()
    for name, kind in MESSAGES.items():
        text = json.dumps(build_schema(kind), indent=2, ensure_ascii=False)
        locate_schema(name).write_text(f"{text}\n")


if __name__ == "__main__":
    write_all()
