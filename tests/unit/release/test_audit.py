"""Advisories that concern pinned packages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from deploy.paths import ROOT
from deploy.release.audit import FOUND, UNREADABLE, AdvisoriesError, find_hits, read_advisories
from deploy.release.lock import LockError, Pin, read_lock

LOCK = "aiohttp==3.14.5 \\\n    --hash=sha256:00\nuvloop==0.23.0 ; sys_platform == 'linux' \\\n    --hash=sha256:01\n"
PIN = Pin("some-package", "1.5")


def advisory(*events: dict[str, str], name: str = "some-package", **more: Any) -> dict[str, Any]:
    spans = [{"type": "ECOSYSTEM", "events": events}] if events else []
    return {"id": "X-1", "affected": [{"package": {"ecosystem": "PyPI", "name": name}, "ranges": spans}], **more}


def hits(tmp_path: Path, *advisories: dict[str, Any], pin: Pin = PIN) -> list[str]:
    file = tmp_path / "advisories.json"
    file.write_text(json.dumps(advisories))
    return [hit.advisory.id for hit in find_hits([pin], read_advisories(file))]


@pytest.mark.parametrize(
    ("events", "concerned"),
    [
        ([{"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "1.6"}], True),
        ([{"introduced": "0"}, {"fixed": "1.5"}], False),
        ([{"introduced": "0"}, {"fixed": "1.10"}], True),
        ([{"introduced": "1.5.1"}], False),
        ([{"introduced": "0"}, {"last_affected": "1.5"}], True),
        ([{"introduced": "0"}, {"last_affected": "1.4.9"}], False),
        ([{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.4"}, {"fixed": "1.6"}], True),
        ([{"fixed": "1.6"}, {"introduced": "1.4"}, {"fixed": "1.2"}, {"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.6"}], False),
        ([{"introduced": "0"}, {"limit": "1.6"}], True),
        ([{"introduced": "0"}, {"fixed": "as of spring"}], True),
    ],
)
def test_a_range_holds_by_the_order_of_versions(
    tmp_path: Path, events: list[dict[str, str]], *, concerned: bool
) -> None:
    assert hits(tmp_path, advisory(*events)) == (["X-1"] if concerned else [])


def test_zero_is_before_what_leads_to_a_first_version(tmp_path: Path) -> None:
    assert hits(tmp_path, advisory({"introduced": "0"}), pin=Pin("some-package", "0.dev1")) == ["X-1"]


def test_a_listed_version_is_meant_however_it_is_written(tmp_path: Path) -> None:
    listed = advisory(name="Some.Package")
    listed["affected"][0]["versions"] = ["1.4", "1.5.0"]
    assert hits(tmp_path, listed) == ["X-1"]
    listed["affected"][0]["versions"] = ["1.4", "nonsense"]
    assert hits(tmp_path, listed) == []


def test_what_is_withdrawn_or_about_others_concerns_nobody(tmp_path: Path) -> None:
    everything = {"introduced": "0"}
    other = advisory(everything)
    other["affected"][0]["package"]["ecosystem"] = "npm"
    git = advisory(everything)
    git["affected"][0]["ranges"][0]["type"] = "GIT"
    withdrawn = advisory(everything, withdrawn="2026-01-01T00:00:00Z")
    assert hits(tmp_path, withdrawn, other, git, advisory(everything, name="another")) == []


def test_an_archive_and_an_answer_are_read_like_a_list(tmp_path: Path) -> None:
    answer, archive = tmp_path / "answer.json", tmp_path / "all.zip"
    answer.write_text(json.dumps({"vulns": [advisory(), advisory()]}))
    with ZipFile(archive, "w") as written:
        written.writestr("X-1.json", json.dumps(advisory()))
    assert [len(read_advisories(file)) for file in (answer, archive)] == [2, 1]


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", '{"vulns": []}', '[{"affected": []}]', "<html>"])
def test_a_file_without_advisories_is_no_good_news(tmp_path: Path, text: str) -> None:
    file = tmp_path / "advisories.json"
    file.write_text(text)
    with pytest.raises(AdvisoriesError):
        read_advisories(file)


def test_an_event_of_another_kind_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(AdvisoriesError):
        hits(tmp_path, advisory({"introduced": "0"}, {"until": "2"}))


def test_a_lock_is_read_whole_or_not_at_all() -> None:
    assert read_lock(LOCK) == [Pin("aiohttp", "3.14.5"), Pin("uvloop", "0.23.0", "sys_platform == 'linux'")]
    for wrong in ("", "# nothing\n", "aiohttp>=3\n", f"{LOCK}-e .\n"):
        with pytest.raises(LockError):
            read_lock(wrong)


@pytest.mark.parametrize(("fixed", "status"), [("999", FOUND), ("0.1", 0)])
def test_the_commands_status_tells(tmp_path: Path, fixed: str, status: int) -> None:
    """With our own lock, as `make audit` calls it."""
    file = tmp_path / "advisories.json"
    known = advisory({"introduced": "0"}, {"fixed": fixed}, name="aiohttp", summary="red\x1b[31m", aliases=["CVE-1"])
    file.write_text(json.dumps(known))
    ended = audit(str(file))
    assert ended.returncode == status, ended.stderr
    assert ended.stdout.endswith(f" {status} found\n")
    assert (": X-1, CVE-1: red?[31m; fixed in 999\n" in ended.stdout) is (status == FOUND)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = audit(str(tmp_path / "none.json"))
    assert (ended.returncode, ended.stdout) == (UNREADABLE, "")
    assert "none.json" in ended.stderr


def audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.release.audit", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
