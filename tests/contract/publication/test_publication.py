"""Licences by REUSE's own tool, the bill of materials by CycloneDX's own schema."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.paths import ROOT
from deploy.release.sbom import write_bill

TOOLS = Path(os.environ["KREISFUNK_TEST_PUBLICATION"]) / "bin"
VALIDATE = """
import sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(sys.argv[1]).read_text())
sys.exit(str(problem) if problem else 0)
"""


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / "reuse", "--root", root, "lint"], capture_output=True, text=True, check=False)


def validate(bill: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / "python", "-c", VALIDATE, bill], capture_output=True, text=True, check=False)


def test_every_file_has_a_licence_and_an_owner() -> None:
    ended = lint(ROOT)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("missing", ["REUSE.toml", "LICENSES"])
def test_what_lacks_a_licence_would_be_found(tmp_path: Path, missing: str) -> None:
    for name in {"REUSE.toml", "LICENSES", "README.md"} - {missing}:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert lint(tmp_path).returncode == 1


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    return write_bill(ROOT, tmp_path, "0.1.0", datetime(2026, 12, 1, tzinfo=UTC))


def test_the_bill_of_materials_is_valid(bill: Path) -> None:
    ended = validate(bill)
    assert ended.returncode == 0, ended.stderr


def test_a_bill_with_a_wrong_component_would_be_found(bill: Path) -> None:
    written = json.loads(bill.read_text())
    written["components"][3]["type"] = "package"
    bill.write_text(json.dumps(written))
    assert validate(bill).returncode == 1
