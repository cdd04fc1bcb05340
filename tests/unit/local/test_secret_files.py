"""Secrets agree with one another, whatever was there before."""

import base64
import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploy.atomic_write import write_secret
from deploy.secrets import FILES, LOGIN_PASSWORDS, SECRETS, Random, build_missing_files, create_secrets


def numbered() -> Random:
    """Each call gives other bytes, so that equal values are equal on purpose."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def test_a_value_is_the_same_for_all_who_hold_it_and_for_nobody_else() -> None:
    files = build_missing_files({}, numbered())
    assert set(files) == set(FILES)
    values = [{files[file] for file in secret.files} for secret in SECRETS]
    assert [len(value) for value in values] == [1] * len(set.union(*values))
    expected = {secret.login: files[secret.files[0]] for secret in SECRETS if secret.login}
    assert json.loads(files[LOGIN_PASSWORDS]) == expected
    version, _, encryption = files["ingress/kreisfunk_encryption_keys"].partition(":")
    assert version == "1"
    assert len(base64.b64decode(encryption)) == len(base64.b64decode(files["ingress/kreisfunk_index_key"])) == 32


@given(some.sets(some.sampled_from(FILES)))
def test_whatever_is_lost_comes_back_in_agreement(lost: set[str]) -> None:
    whole = build_missing_files({}, numbered())
    remaining = {file: value for file, value in whole.items() if file not in lost}
    written = build_missing_files(remaining, lambda size: b"\xff" * size)
    restored = remaining | written
    assert set(written) <= lost | {LOGIN_PASSWORDS}
    for secret in SECRETS:
        assert len({restored[file] for file in secret.files}) == 1
        if secret.login:
            assert json.loads(restored[LOGIN_PASSWORDS])[secret.login] == restored[secret.files[0]]


def test_during_a_rotation_the_simulator_signs_with_the_first_app_secret() -> None:
    files = build_missing_files({"ingress/kreisfunk_app_secrets": "new,old"}, numbered())
    assert files["simulator/simulator_app_secret"] == "new"
    assert "ingress/kreisfunk_app_secrets" not in files


def test_a_login_that_a_new_version_adds_joins_the_list() -> None:
    known = {LOGIN_PASSWORDS: json.dumps({"ingress": "kept"})}
    files = build_missing_files(known, numbered())
    assert json.loads(files[LOGIN_PASSWORDS])["ingress"] == "kept"
    assert files["ingress/kreisfunk_broker_password"] == "kept"


def test_only_the_owner_can_read_what_is_written_and_running_again_changes_nothing_but_modes(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    created = create_secrets(folder)
    assert ({path.relative_to(folder).as_posix() for path in created.new}, created.restored) == (set(FILES), [])
    before = {file: (folder / file).read_text() for file in FILES}
    (folder / LOGIN_PASSWORDS).chmod(0o644)
    assert create_secrets(folder) == ([], [])
    assert {file: (folder / file).read_text() for file in FILES} == before
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_password_that_another_file_still_holds_is_restored_and_that_is_told(tmp_path: Path, forgotten: bool) -> None:
    create_secrets(tmp_path)
    file = tmp_path / "dispatcher/kreisfunk_broker_password"
    before = file.read_text()
    for gone in (file, *(() if forgotten else (tmp_path / LOGIN_PASSWORDS,))):
        gone.unlink()
    again = create_secrets(tmp_path)
    assert (file.read_text() == before, again.restored) == ((True, [file]) if forgotten else (False, []))
    assert ("1 restored" in again.describe()) is forgotten


def test_the_notices_api_gets_a_password_and_no_key() -> None:
    assert [file for file in FILES if file.startswith("notices/")] == ["notices/kreisfunk_broker_password"]


def test_two_at_once_make_one_key_for_all_who_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = threading.Barrier(2)

    def write_once_both_begin(path: Path, value: str) -> None:
        with suppress(threading.BrokenBarrierError):
            writing.wait(0.5)
        write_secret(path, value)

    monkeypatch.setattr("deploy.secrets.write_secret", write_once_both_begin)
    with ThreadPoolExecutor() as pool:
        made = [each.result() for each in [pool.submit(create_secrets, tmp_path) for _ in range(2)]]
    assert sorted(bool(created.new) for created in made) == [False, True]
    for name in ("kreisfunk_encryption_keys", "kreisfunk_index_key"):
        assert len({file.read_text() for file in tmp_path.glob(f"*/{name}")}) == 1
