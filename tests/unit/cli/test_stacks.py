"""Choice of the installation that a command talks to."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from cli.stacks import find_stack, use_environment
from deploy.stack_file import STACK_FILE, lock_folder, publish_addresses
from tests.unit.deploy.test_stack_file import ADDRESSES


def test_a_named_folder_goes_before_the_environment_and_that_before_a_usual_stack(tmp_path: Path) -> None:
    environment = {"KREISFUNK_BROKER_URL": "amqp://pressestelle@broker/"}
    assert find_stack(None, environment) is None
    with lock_folder(tmp_path), publish_addresses(tmp_path, ADDRESSES):
        assert find_stack(tmp_path, environment) == ADDRESSES


def test_a_stack_of_another_version_ends_the_command_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / STACK_FILE).write_text('{"simulator_url": "http://127.0.0.1:1"}')
    with lock_folder(tmp_path), pytest.raises(typer.Exit) as ended:
        find_stack(tmp_path, {})
    assert ended.value.exit_code == 2
    assert "another version" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{"KREISFUNK_BROKER_URL": "amqp://x@y/"}, os.environ], ids=["another", "our own"])
def test_inside_only_the_given_environment_is_there_and_afterwards_our_own(given: Mapping[str, str]) -> None:
    before, wanted = dict(os.environ), dict(given)
    with use_environment(given):
        assert dict(os.environ) == wanted
    assert dict(os.environ) == before
