"""Which installation a command talks to."""

import os
from pathlib import Path

import pytest
import typer

from cli.stacks import find_stack, use_environment
from deploy.local.stack_file import STACK_FILE, lock_folder, publish_addresses
from tests.unit.local.test_stack_file import ADDRESSES


def test_the_environment_goes_before_a_usual_stack() -> None:
    assert find_stack(None, {"KREISFUNK_BROKER_URL": "amqp://pressestelle@broker/"}) is None


def test_a_folder_that_is_named_goes_before_the_environment(tmp_path: Path) -> None:
    with lock_folder(tmp_path), publish_addresses(tmp_path, ADDRESSES):
        found = find_stack(tmp_path, {"KREISFUNK_BROKER_URL": "amqp://pressestelle@broker/"})
    assert found == (tmp_path, ADDRESSES)


def test_a_folder_where_no_stack_runs_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit) as ended:
        find_stack(tmp_path, {})
    assert ended.value.exit_code == 2


def test_a_stack_of_another_version_ends_the_command_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / STACK_FILE).write_text('{"simulator_url": "http://127.0.0.1:1"}')
    with lock_folder(tmp_path), pytest.raises(typer.Exit) as ended:
        find_stack(tmp_path, {})
    assert ended.value.exit_code == 2
    assert "another version" in capsys.readouterr().err


def test_inside_only_the_given_environment_is_there_and_afterwards_our_own() -> None:
    before = dict(os.environ)
    with use_environment({"KREISFUNK_BROKER_URL": "amqp://x@y/"}):
        assert dict(os.environ) == {"KREISFUNK_BROKER_URL": "amqp://x@y/"}
    assert dict(os.environ) == before


def test_our_own_environment_may_be_the_given_one() -> None:
    before = dict(os.environ)
    with use_environment(os.environ):
        assert dict(os.environ) == before
