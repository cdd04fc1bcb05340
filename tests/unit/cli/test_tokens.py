"""`kreisfunk tokens`: what is printed once, stored as a hash, and withdrawn."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import deploy.secrets
import deploy.tokens
from deploy.paths import CONFIG
from deploy.secrets import API_TOKENS, FILES, TOKENS, create_secrets
from deploy.tokens import TokenFileError, add_token, read_tokens, remove_tokens
from shared.notices.tokens import find_token
from tests.harness.commands import run_in_process
from tests.harness.disks import FullDisk

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def write(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens" / "tokens.json"


@pytest.fixture
def environment(file: Path) -> dict[str, str]:
    return {"KREISFUNK_NOTICES_API_TOKENS_FILE": str(file), "KREISFUNK_COUNTY_FILE": str(CONFIG / "county.toml")}


async def test_a_token_is_printed_once_and_stored_as_a_hash(file: Path, environment: dict[str, str]) -> None:
    made = await run_in_process("tokens", "create", "pressestelle", environment=environment)
    text = made.output.strip()
    assert (made.status, len(text) >= 43 + len("kreisfunk_")) == (0, True)
    assert text not in read(file)
    assert mode(file) == 0o600
    found = find_token(text, read_tokens(file), NOW)
    assert found is not None
    listed = await run_in_process("tokens", "list", environment=environment)
    assert found.id in listed.output
    assert not [secret for secret in (text, found.sha256) if secret in listed.everything]


async def test_a_token_may_be_for_some_topics_and_some_days(environment: dict[str, str]) -> None:
    asked = ("tokens", "create", "pressestelle", "--topic", "stellen", "--days", "30", "--json")
    made = (await run_in_process(*asked, environment=environment)).json
    assert made["topics"] == ["stellen"]
    assert made["expires_at"] > made["created_at"]
    listed = (await run_in_process("tokens", "list", "--json", environment=environment)).json
    assert [each["id"] for each in listed["tokens"]] == [made["id"]]


async def test_a_token_of_a_system_that_is_gone_says_so(tmp_path: Path, environment: dict[str, str]) -> None:
    await run_in_process("tokens", "create", "pressestelle", environment=environment)
    text = (CONFIG / "county.toml").read_text()
    (tmp_path / "county.toml").write_text(text.replace('name = "pressestelle"', 'name = "presseamt"'))
    later = {**environment, "KREISFUNK_COUNTY_FILE": str(tmp_path / "county.toml")}
    listed = await run_in_process("tokens", "list", environment=later)
    assert "pressestelle" in listed.output
    assert "is refused: no such system" in listed.output


@pytest.mark.parametrize(
    ("arguments", "word"), [(("niemand",), "pressestelle"), (("pressestelle", "--topic", "wetter"), "wetter")]
)
async def test_nobody_unknown_and_no_foreign_topic(
    arguments: tuple[str, ...], word: str, file: Path, environment: dict[str, str]
) -> None:
    refused = await run_in_process("tokens", "create", *arguments, environment=environment)
    assert (refused.status, word in refused.errors) == (2, True)
    assert read(file) == ""


async def test_a_revoked_token_is_gone(file: Path, environment: dict[str, str]) -> None:
    made = [
        (await run_in_process("tokens", "create", "pressestelle", "--json", environment=environment)).json
        for _ in range(3)
    ]
    assert (await run_in_process("tokens", "revoke", made[0]["id"], environment=environment)).status == 0
    assert [each.id for each in read_tokens(file)] == [each["id"] for each in made[1:]]
    assert (await run_in_process("tokens", "revoke", made[0]["id"], environment=environment)).status == 3
    assert (await run_in_process("tokens", "revoke", "--system", "pressestelle", environment=environment)).status == 0
    assert "no tokens" in (await run_in_process("tokens", "list", environment=environment)).output
    assert (await run_in_process("tokens", "revoke", environment=environment)).status == 2


async def test_a_damaged_file_is_not_written_over(file: Path, environment: dict[str, str]) -> None:
    write(file, "{")
    for command in (("create", "pressestelle"), ("list",), ("revoke", "x")):
        assert (await run_in_process("tokens", *command, environment=environment)).status == 1
    assert read(file) == "{"


def test_whoever_writes_at_the_same_time_loses_nothing(file: Path) -> None:
    def add(number: int) -> None:
        add_token(file, f"text-{number}", identifier=f"t{number}", system="pressestelle", now=NOW)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(40)))
    assert len(read_tokens(file)) == 40


@pytest.mark.parametrize("system", API_TOKENS)
def test_an_installation_begins_with_a_token_that_works_and_stays_revoked(system: str, tmp_path: Path) -> None:
    create_secrets(tmp_path)
    text = (tmp_path / API_TOKENS[system]).read_text()
    found = find_token(text, read_tokens(tmp_path / TOKENS), NOW)
    assert found is not None
    assert found.system == system
    remove_tokens(tmp_path / TOKENS, lambda token: token.id == found.id)
    create_secrets(tmp_path)
    assert {token.system for token in read_tokens(tmp_path / TOKENS)} == set(API_TOKENS) - {system}


def test_an_installation_that_a_full_disk_ended_anywhere_begins_with_tokens_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = len(FILES) + len(API_TOKENS)
    for left in range(writes):
        folder, disk = tmp_path / str(left), FullDisk(left)
        with monkeypatch.context() as patch:
            patch.setattr(deploy.secrets, "write_secret", disk.write)
            patch.setattr(deploy.tokens, "write_secret", disk.write)
            with pytest.raises((OSError, TokenFileError)):
                create_secrets(folder)
        create_secrets(folder)
        for system, name in API_TOKENS.items():
            found = find_token((folder / name).read_text(), read_tokens(folder / TOKENS), NOW)
            assert found is not None, f"after {left} files: {name}"
            assert found.system == system
