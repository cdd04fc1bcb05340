"""Bill of materials (CycloneDX 1.6, JSON) of the packages in the lock files: `make sbom`.

It names packages and versions, and no URLs: the package index is chosen at installation.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_OID, uuid5

from packaging.utils import canonicalize_name

from deploy import VERSION
from deploy.release.lock import Pin, read_lock, read_npm_lock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dist"
NPM_LOCK = "deploy/kern/package-lock.json"
SPECIFICATION = "1.6"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def build_bill(project: Mapping[str, Any], version: str, pins: Sequence[Pin], time: datetime) -> dict[str, Any]:
    """Return the document; it is reproducible for the same content and time."""
    root = f"pkg:generic/{project['name']}@{version}"
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {
            "timestamp": time.astimezone(UTC).isoformat(timespec="seconds"),
            "component": _build_root(project, version, root),
        },
        "components": [_build_component(pin) for pin in pins],
        "dependencies": [{"ref": root, "dependsOn": _list_direct(project, pins)}],
    }
    return {**bill, "serialNumber": uuid5(NAMESPACE_OID, json.dumps(bill)).urn}


def _build_root(project: Mapping[str, Any], version: str, reference: str) -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": reference,
        "name": project["name"],
        "version": version,
        "description": project["description"],
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": reference,
    }


def _build_component(pin: Pin) -> dict[str, Any]:
    """Return a package's entry; one that is not installed everywhere has its environment marker."""
    component = {
        "type": "library",
        "bom-ref": _build_reference(pin),
        "name": pin.name,
        "version": pin.version,
        "purl": _build_reference(pin),
    }
    if not pin.marker:
        return component
    return {**component, "scope": "optional", "properties": [{"name": "kreisfunk:marker", "value": pin.marker}]}


def _build_reference(pin: Pin) -> str:
    return f"pkg:{pin.registry}/{quote(pin.name)}@{quote(pin.version)}"


def _list_direct(project: Mapping[str, Any], pins: Sequence[Pin]) -> list[str]:
    """Return the project's direct dependencies, including the npm packages of the newsroom's pages."""
    direct = {canonicalize_name(match[0]) for text in project["dependencies"] if (match := _NAME.match(text))}
    return [_build_reference(pin) for pin in pins if pin.name in direct or pin.registry == "npm"]


def write_bill(root: Path, folder: Path, version: str, time: datetime) -> Path:
    """Write the bill of this version of the project in `root` into `folder`, and return its path."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    pins = read_lock((root / "requirements.lock").read_text())
    pins += read_npm_lock((root / NPM_LOCK).read_text())
    path = folder / f"{project['name']}-{version}.cdx.json"
    folder.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(build_bill(project, version, pins, time), indent=2)}\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.release.sbom", description=__doc__)
    parser.add_argument("--time", type=datetime.fromisoformat, default=datetime.now(UTC), help="of the commit")
    options = parser.parse_args()
    sys.stdout.write(f"{write_bill(ROOT, FOLDER, VERSION, options.time)}\n")


if __name__ == "__main__":
    main()
