"""A copy of our packages in which import rules can be broken on purpose."""

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.paths import ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINTER: dict[str, Any] = PYPROJECT["tool"]["importlinter"]
CONTRACTS: dict[str, dict[str, Any]] = {contract["id"]: contract for contract in LINTER["contracts"]}
_PROGRAM = Path(sys.executable).with_name("lint-imports")
_VERDICT = re.compile(r"^(.+?) (KEPT|BROKEN)\b", re.MULTILINE)
_HEADING = re.compile(r"^(.+)\n-+$", re.MULTILINE)
_NOT_CODE = shutil.ignore_patterns("__pycache__", "*.md", "*.json", "*.sql")


@dataclass(frozen=True)
class LintResult:
    """Ids of the broken contracts, and the output of import-linter."""

    broken: frozenset[str]
    report: str

    @property
    def sections(self) -> dict[str, str]:
        """Return what the report says of each broken contract, by id; each violation is in one line."""
        parts = _HEADING.split(self.report)
        said = {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
        return {identifier: said[CONTRACTS[identifier]["name"]] for identifier in self.broken}


@dataclass(frozen=True)
class PackageTree:
    """A copy that a test may change."""

    folder: Path

    def plant(self, file: str, line: str) -> None:
        """Adds a line of code to a module, which is made if it does not exist."""
        path = self.folder / file
        before = path.read_text() if path.exists() else ""
        path.write_text(f"{before}\n{line}\n")

    def lint(self) -> LintResult:
        """Every contract's verdict; an assertion fails if the linter itself did."""
        ended = subprocess.run(
            [str(_PROGRAM), "--no-cache"],
            cwd=self.folder,
            env={"COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        names = {contract["name"]: identifier for identifier, contract in CONTRACTS.items()}
        verdicts = {names[name]: verdict for name, verdict in _VERDICT.findall(ended.stdout) if name in names}
        assert set(verdicts) == set(CONTRACTS), ended.stdout + ended.stderr
        broken = frozenset(identifier for identifier, verdict in verdicts.items() if verdict == "BROKEN")
        assert ended.returncode == (1 if broken else 0), ended.stdout + ended.stderr
        return LintResult(broken, ended.stdout)


def copy_tree(folder: Path) -> PackageTree:
    """Our packages as they are now, with the rules."""
    for package in LINTER["root_packages"]:
        shutil.copytree(ROOT / package, folder / package, ignore=_NOT_CODE)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return PackageTree(folder)
