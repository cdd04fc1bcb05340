"""Mutated webhooks over real HTTP: each is answered 200, and nothing of it is an exception in the log.

`KREISFUNK_TEST_WEBHOOKS=100000 python -m pytest tests/integration/ingress/test_mutations.py` tries so many.
"""

import asyncio
from collections.abc import Iterator

import pytest

from tests.factories.webhook_mutations import CASES, build_mutation
from tests.harness.ingress import IngressProcess
from tests.harness.ingress_queues import IngressQueues

USUAL_CASES = 1_000
AT_ONCE = 16


@pytest.mark.timeout(1800)
async def test_no_webhook_makes_a_server_error(ingress: IngressProcess, queues: IngressQueues) -> None:
    numbers = iter(range(CASES or USUAL_CASES))
    wrong: dict[int, int] = {}

    await asyncio.gather(*(post_each(ingress, numbers, wrong) for _ in range(AT_ONCE)))

    assert wrong == {}
    assert "Traceback" not in ingress.log
    assert '"level":"error"' not in ingress.log
    assert await ingress.is_ready()


async def post_each(ingress: IngressProcess, numbers: Iterator[int], wrong: dict[int, int]) -> None:
    for number in numbers:
        answer = await ingress.post(build_mutation(number))
        if answer != 200:
            wrong[number] = answer
