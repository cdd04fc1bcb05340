"""The bill of materials names what the lock pins, and has what CycloneDX demands."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from deploy.paths import ROOT
from deploy.release.lock import Pin
from deploy.release.sbom import build_bill, write_bill
from tests.unit.rules.planting import PYPROJECT

TIME = datetime(2026, 12, 1, 12, tzinfo=UTC)
KERN = json.loads((ROOT / "deploy/kern/package.json").read_text())["dependencies"]
REFERENCE = {"type": "string", "minLength": 1}


def part(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


COMPONENT = part(
    ("type", "name", "bom-ref", "version", "purl"),
    **{"bom-ref": REFERENCE},
    type={"enum": ["application", "library"]},
    name={"type": "string"},
    version={"type": "string", "maxLength": 1024},
    description={"type": "string"},
    scope={"enum": ["required", "optional", "excluded"]},
    purl={"type": "string", "pattern": r"^pkg:(pypi|generic|npm/%40[a-z-]+)/[a-z0-9-]+@[A-Za-z0-9.%-]+$"},
    licenses={"type": "array", "items": part(("license",), license=part(("id",), id={"const": "EUPL-1.2"}))},
    properties={"type": "array", "items": part(("name",), name={"type": "string"}, value={"type": "string"})},
)
# Of CycloneDX 1.6's schema, the part that we write; `make publication-test` takes the schema itself.
SCHEMA = part(
    ("bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies"),
    bomFormat={"const": "CycloneDX"},
    specVersion={"const": "1.6"},
    serialNumber={"pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    version={"type": "integer", "minimum": 1},
    metadata=part(
        ("timestamp", "component"), timestamp={"pattern": r"^[-0-9]{10}T[:0-9]{8}\+00:00$"}, component=COMPONENT
    ),
    components={"type": "array", "items": COMPONENT, "uniqueItems": True, "minItems": 1},
    dependencies={
        "type": "array",
        "items": part(("ref",), ref=REFERENCE, dependsOn={"type": "array", "items": REFERENCE, "uniqueItems": True}),
    },
)


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(write_bill(ROOT, tmp_path_factory.mktemp("x"), "0.1.0", TIME).read_text())
    return written


def test_it_has_what_cyclonedx_demands(bill: dict[str, Any]) -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert [(error.json_path, error.message) for error in Draft7Validator(SCHEMA).iter_errors(bill)] == []
    for missing in ("bomFormat", "specVersion"):
        assert not Draft7Validator(SCHEMA).is_valid({name: value for name, value in bill.items() if name != missing})


def test_it_names_each_package_of_both_locks(bill: dict[str, Any]) -> None:
    named = {(component["name"], component["version"]) for component in bill["components"]}
    locked = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    python = {(name.lower().replace("_", "-").replace(".", "-"), version) for name, version in locked}
    assert named == python | set(KERN.items())


def test_references_lead_to_components(bill: dict[str, Any]) -> None:
    (direct,) = bill["dependencies"]
    assert direct["ref"] == bill["metadata"]["component"]["bom-ref"]
    assert set(direct["dependsOn"]) <= {component["bom-ref"] for component in bill["components"]}
    assert len(direct["dependsOn"]) == len(PYPROJECT["project"]["dependencies"]) + len(KERN)


def test_it_names_no_address(bill: dict[str, Any]) -> None:
    assert "://" not in json.dumps(bill)


def test_what_is_not_installed_everywhere_says_where() -> None:
    pins = [Pin("a", "1"), Pin("b", "2+local", "sys_platform == 'win32'")]
    everywhere, windows = build_bill(PYPROJECT["project"], "0.1.0", pins, TIME)["components"]
    assert "scope" not in everywhere
    assert (windows["scope"], windows["purl"]) == ("optional", "pkg:pypi/b@2%2Blocal")
    assert windows["properties"] == [{"name": "kreisfunk:marker", "value": "sys_platform == 'win32'"}]


def test_the_same_is_written_twice_and_something_else_under_another_number(tmp_path: Path) -> None:
    first, again = (write_bill(ROOT, tmp_path / name, "0.1.0", TIME).read_text() for name in "ab")
    assert first == again
    other = write_bill(ROOT, tmp_path, "0.1.1", TIME)
    assert other.name == "kreisfunk-0.1.1.cdx.json"
    assert json.loads(other.read_text())["serialNumber"] != json.loads(first)["serialNumber"]


def test_the_project_takes_its_version_from_where_releases_write_it() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"] == {
        "path": "deploy/__init__.py"
    }
