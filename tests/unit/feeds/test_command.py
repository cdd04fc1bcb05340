"""`kreisfunk feeds` and the service as they are called."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.paths import CONFIG, ROOT
from services.feeds.folder import StateFolder
from services.feeds.settings import Settings
from services.feeds.wiring import build_components
from tests.harness.commands import CommandResult, run_in_process

FEEDS_FILE = ROOT / "deploy" / "config" / "feeds.toml"


def test_the_county_of_this_version_is_found_from_any_folder(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "feeds", "list", "--file", str(FEEDS_FILE), "--folder", str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def run_service(feeds_file: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Until it ends by itself; there is no notices API."""
    environment = {
        "PATH": os.environ["PATH"],
        "KREISFUNK_NOTICES_API_URL": "http://127.0.0.1:1",
        "KREISFUNK_NOTICES_API_TOKEN": "only-for-tests",
        "KREISFUNK_FEEDS_FILE": str(feeds_file),
        "KREISFUNK_FEEDS_FOLDER": str(folder),
    }
    return subprocess.run(
        [sys.executable, "-m", "services.feeds"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_a_wrong_file_ends_the_service_at_once(tmp_path: Path) -> None:
    wrong = tmp_path / "feeds.toml"
    wrong.write_text(FEEDS_FILE.read_text().replace('system = "feeds"', 'system = "unknown"'))
    ended = run_service(wrong, tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        f"{wrong} does not fit deploy/config/county.toml:\nsystem: unknown is not registered"
    )


def test_a_folder_that_is_in_use_ends_the_service_at_once(tmp_path: Path) -> None:
    with StateFolder(tmp_path).lock():
        ended = run_service(FEEDS_FILE, tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{tmp_path} is used by another")


def test_no_description_of_the_service_contains_the_token(tmp_path: Path) -> None:
    settings = Settings(
        feeds_file=FEEDS_FILE,
        county_file=CONFIG / "county.toml",
        feeds_folder=tmp_path,
        notices_api_url="http://127.0.0.1:1",
        notices_api_token=SecretStr("only-for-tests"),
        internal_host="127.0.0.1",
        internal_port=0,
        drain_seconds=1,
    )
    parts = build_components(settings)
    assert "only-for-tests" not in f"{settings!r} {parts!r}"


@pytest.mark.parametrize("kind", ["drafts", "refused"])
@pytest.mark.parametrize("content", [b"", b'{"data": {"head', b"\xef\xbb\xbf{}", b"\xfc"])
async def test_a_damaged_file_hides_no_other_and_can_be_dropped(tmp_path: Path, kind: str, content: bytes) -> None:
    async def call(*arguments: str) -> CommandResult:
        return await run_in_process("feeds", "drafts", *arguments, "--folder", str(tmp_path), environment={})

    files = {tmp_path / kind / "presse-1.json": content}
    files[tmp_path / "drafts" / "presse-2.json"] = b'{"data": {"headline": "Sperrung"}}'
    for file, written in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(written)
    listed = await call("list")
    assert (listed.status, listed.errors) == (0, "")
    assert [name in listed.output for name in ("presse-1", "damaged", "Sperrung")] == [True] * 3
    shown = await call("show", "presse-1")
    assert (shown.status, "drop it" in shown.errors) == (3, True)
    assert (await call("drop", "presse-1")).status == 0
    assert "presse-1" not in (await call("list")).output
