"""Licences by REUSE's own tool, the bill of materials by CycloneDX's own schema."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

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


def test_the_bill_of_materials_is_valid(tmp_path: Path) -> None:
    ended = validate(write_bill(ROOT, tmp_path, "0.1.0", datetime(2026, 12, 1, tzinfo=UTC)))
    assert ended.returncode == 0, ended.stderr
