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


def test_every_file_has_a_licence_and_an_owner() -> None:
    command = (TOOLS / "reuse", "--root", ROOT, "lint")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_the_bill_of_materials_is_valid(tmp_path: Path) -> None:
    bill = write_bill(ROOT, tmp_path, "0.1.0", datetime(2026, 12, 1, tzinfo=UTC))
    command = (TOOLS / "python", "-c", VALIDATE, bill)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
