"""A folder for a system, and one system for all dialogues: two replicas of each service, one simulator."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.stack import Stack, run_stack
from tests.contract_recorder.recorder import record_contracts
from tests.e2e.dialogue.harness import DialogueHarness, open_dialogue_harness
from tests.e2e.notices.harness import UNLIMITED


@contextmanager
def make_folder() -> Iterator[Path]:
    """Not `tmp_path`, which only root may enter."""
    with tempfile.TemporaryDirectory(prefix="kreisfunk-test-") as name:
        os.chmod(name, 0o711)  # noqa: S103 (the user that PostgreSQL runs under has to pass)
        yield Path(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    with make_folder() as folder:
        yield folder


@pytest.fixture(scope="package")
async def stack() -> AsyncIterator[Stack]:
    settings = {"simulator": UNLIMITED}
    with make_folder() as folder:
        async with (
            run_stack(
                folder / "system", subscriptions=2, ingresses=2, messages_per_second=200, settings=settings
            ) as stack,
            record_contracts(stack.broker_url, stack.broker_api_url),
        ):
            yield stack


@pytest.fixture
async def system(stack: Stack) -> AsyncIterator[DialogueHarness]:
    async with open_dialogue_harness(stack) as system:
        yield system
