"""One system for all dialogues: two replicas of each service, one simulator."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.stack import Stack, run_stack
from tests.contract_recorder.recorder import record_contracts
from tests.e2e.dialogue.harness import DialogueHarness, open_dialogue_harness
from tests.e2e.notices.harness import UNLIMITED
from tests.servers import make_folder


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
