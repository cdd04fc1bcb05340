"""The bill of materials names what the lock pins, and has what CycloneDX demands."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.paths import ROOT
from deploy.release.lock import Pin
from deploy.release.sbom import build_bill, write_bill
from tests.unit.rules.planting import PYPROJECT

TIME = datetime(2026, 12, 1, 12, tzinfo=UTC)
KERN = json.loads((ROOT / "deploy/kern/package.json").read_text())["dependencies"]
REFERENCE = re.compile(r"pkg:(pypi|generic|npm/%40[a-z-]+)/[a-z0-9-]+@[A-Za-z0-9.%-]+")
SERIAL = re.compile("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(write_bill(ROOT, tmp_path_factory.mktemp("x"), "0.1.0", TIME).read_text())
    return written


def test_it_says_what_it_is_and_every_component_has_a_reference_of_its_own(bill: dict[str, Any]) -> None:
    """`make publication-test` takes CycloneDX's own schema."""
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert SERIAL.fullmatch(bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2026-12-01T12:00:00+00:00"
    components = [bill["metadata"]["component"], *bill["components"]]
    assert {component["type"] for component in components} == {"application", "library"}
    assert all(REFERENCE.fullmatch(component["purl"]) for component in components)
    assert len({component["bom-ref"] for component in components}) == len(components)


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
