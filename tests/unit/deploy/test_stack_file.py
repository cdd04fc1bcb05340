"""One stack for each folder, found by its file."""

import json
import stat
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from deploy import LocalError
from deploy.stack_file import (
    STACK_FILE,
    Environment,
    StackAddresses,
    find_running_stack,
    lock_folder,
    publish_addresses,
)

VALUES: dict[Any, Any] = {
    str: "http://127.0.0.1:1",
    list[str]: ["http://127.0.0.1:2"],
    dict[str, str]: {"KREISFUNK_BROKER_URL": "amqp://127.0.0.1:4/"},
    dict[str, Environment]: {"ingress": {"KREISFUNK_BROKER_URL": "amqp://ingress@127.0.0.1:4/"}},
}
ADDRESSES = StackAddresses(**{field.name: VALUES[field.type] for field in fields(StackAddresses)})


def test_a_running_stack_is_found_and_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    with lock_folder(tmp_path), publish_addresses(tmp_path, ADDRESSES):
        assert find_running_stack(tmp_path) == ADDRESSES
        assert stat.S_IMODE((tmp_path / STACK_FILE).stat().st_mode) == 0o600
    assert not (tmp_path / STACK_FILE).exists()
    assert find_running_stack(tmp_path) is None


def test_what_a_killed_stack_left_behind_does_not_count(tmp_path: Path) -> None:
    with publish_addresses(tmp_path, ADDRESSES):
        assert find_running_stack(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"simulator_url": "http://127.0.0.1:1"}'])
def test_a_stack_of_another_version_is_said_to_be_one(tmp_path: Path, content: str) -> None:
    (tmp_path / STACK_FILE).write_text(content)
    with lock_folder(tmp_path), pytest.raises(LocalError, match="another version"):
        find_running_stack(tmp_path)


def test_what_a_later_version_says_beside_ours_is_left_out(tmp_path: Path) -> None:
    with lock_folder(tmp_path), publish_addresses(tmp_path, ADDRESSES):
        said = json.loads((tmp_path / STACK_FILE).read_text())
        (tmp_path / STACK_FILE).write_text(json.dumps({**said, "another_url": "http://127.0.0.1:8"}))
        assert find_running_stack(tmp_path) == ADDRESSES


def test_a_folder_has_one_stack_at_a_time(tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path),
        pytest.raises(LocalError, match=r"runs in .* already"),
        lock_folder(tmp_path),
    ):
        pass
    with lock_folder(tmp_path):
        pass
