"""A release in a small repository of its own: what stands in its way, and what it makes."""

import re
import shutil
import subprocess
import tarfile
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from deploy.paths import ROOT
from deploy.release.__main__ import release, write_next
from deploy.release.plan import CATALOGUE, CHANGELOG, CHART, VERSION_FILE, plan_release
from deploy.release.sbom import NPM_LOCK

TODAY = date(2026, 12, 1)
FILES = (VERSION_FILE, CATALOGUE, CHART, "pyproject.toml", "requirements.lock", NPM_LOCK)
UNRELEASED = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n"
SINCE = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-01\n\n- A thing.\n"


def git(root: Path, *arguments: str) -> None:
    person = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *person, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Our own files, of version 0.1.0."""
    (tmp_path / CHART).parent.mkdir(parents=True)
    (tmp_path / NPM_LOCK).parent.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    catalogue = tmp_path / CATALOGUE
    catalogue.write_text(re.sub(r"(?m)^softwareVersion.*", 'softwareVersion: "0.1.0"', catalogue.read_text()))
    version = tmp_path / VERSION_FILE
    version.write_text(re.sub(r"(?m)^VERSION = .*", 'VERSION = "0.1.0"', version.read_text()))
    (tmp_path / CHANGELOG).write_text(UNRELEASED)
    (tmp_path / ".gitignore").write_text("dist/\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def commit(root: Path) -> None:
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "x")


def problems(root: Path, version: str | None = None) -> tuple[str, ...]:
    return plan_release(root, version, TODAY).problems


def test_a_dry_run_says_everything_and_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in root.iterdir() if path.is_file()}
    assert release(root, None, TODAY, write=False) == 0
    said = capsys.readouterr().out
    for told in (
        VERSION_FILE,
        CATALOGUE,
        CHANGELOG,
        "v0.2.0",
        "kreisfunk:0.2.0",
        "kreisfunk-0.2.0.cdx.json",
        "image.version=0.2.0",
        "image.revision=",
    ):
        assert told in said
    assert {path: path.read_bytes() for path in root.iterdir() if path.is_file()} == before


def test_first_the_files_then_the_artefacts(root: Path) -> None:
    assert release(root, None, TODAY, write=True) == 0
    assert 'VERSION = "0.2.0"' in (root / VERSION_FILE).read_text()
    assert 'softwareVersion: "0.2.0"\nreleaseDate: "2026-12-01"\n' in (root / CATALOGUE).read_text()
    assert re.findall(r"(?m)^(?:v|appV)ersion: (.+)", (root / CHART).read_text()) == ["0.2.0", "0.2.0"]
    changelog = (root / CHANGELOG).read_text()
    assert changelog == UNRELEASED.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n")
    assert not (root / "dist").exists()
    commit(root)
    plan = plan_release(root, None, date(2027, 1, 1))
    assert (plan.version, plan.problems, plan.edits) == ("0.2.0", (), {})
    archive, bill, sums = write_next(plan)
    with tarfile.open(archive) as opened:
        assert f"kreisfunk-0.2.0/{CHANGELOG}" in opened.getnames()
    for path in (archive, bill):
        assert f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" in sums.read_text()
    git(root, "tag", "v0.2.0")
    assert plan_release(root, None, TODAY).version == "0.3.0"


def test_a_tree_with_changes_is_not_released(root: Path) -> None:
    assert problems(root) == ()
    (root / "new").touch()
    assert [problem[:23] for problem in problems(root)] == ["The tree is not clean: "]
    assert release(root, None, TODAY, write=True) == 1
    assert (root / CHANGELOG).read_text() == UNRELEASED


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("0.2", "is not a version"),
        ("0.2.0rc1", "is not a version"),
        ("00.2.0", "is not a version"),
        ("0.0.9", "is older"),
    ],
)
def test_a_wrong_version_is_not_released(root: Path, version: str, problem: str) -> None:
    assert problem in problems(root, version)[0]


def test_what_has_a_tag_is_not_released_again(root: Path) -> None:
    git(root, "tag", "v0.2.0")
    assert problems(root, "0.2.0") == ("The tag v0.2.0 exists already.",)


def test_without_a_word_in_the_changelog_nothing_is_released(root: Path) -> None:
    (root / CHANGELOG).write_text(SINCE)
    commit(root)
    assert [problem[:28] for problem in problems(root, "0.2.0")] == ["CHANGELOG.md has no section "]
    assert problems(root, "0.1.0") == ()


def test_versions_that_differ_are_not_released(root: Path) -> None:
    catalogue = root / CATALOGUE
    catalogue.write_text(catalogue.read_text().replace('"0.1.0"', '"0.1.1"'))
    commit(root)
    assert problems(root) == (f"{CATALOGUE} names another softwareVersion than {VERSION_FILE}.",)


def test_the_image_takes_each_label_that_is_told(root: Path) -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    taken = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="\$\{?([A-Z]+)\}?"', dockerfile))
    assert {name.lower(): name for name in plan_release(root, None, TODAY).labels} == taken
    assert set(taken.values()) <= set(re.findall(r"^ARG ([A-Z]+)=", dockerfile, re.MULTILINE))
