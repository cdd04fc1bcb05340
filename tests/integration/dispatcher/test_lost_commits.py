"""The answer to a commit is lost, and the replica commits again what it has committed already."""

import time

from tests.databases import FreshDatabase
from tests.integration.dispatcher.endpoint_harness import ROLE, EndpointHarness, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_error
from tests.integration.dispatcher.lost_commits import run_commit_loser

ROUNDS = 4
LOSING_SECONDS = 1.0
ROUND_SECONDS = 4.0
SLOW_ANSWER_SECONDS = 2.0


async def test_a_result_that_is_committed_twice_sends_nothing_twice(
    harness: EndpointHarness, database: FreshDatabase
) -> None:
    refused: set[str] = set()
    refusing = False

    def behave(request: SendRequest) -> GraphAnswer:
        if refusing and request.recipient not in refused:
            refused.add(request.recipient)
            return build_error(130429)
        return GraphAnswer(after=SLOW_ANSWER_SECONDS)

    harness.endpoint.behave = behave
    async with run_commit_loser(database.build_role_url(ROLE)) as way:
        await harness.start(database_url=way.url, request_timeout_seconds=10)
        await harness.start(request_timeout_seconds=10)
        await harness.publish_broadcast(harness.build_citizens(1500))
        await harness.wait_for_requests(100)
        for _ in range(ROUNDS):
            start = time.monotonic()
            refusing = True
            await wait_until_moment(start + 0.15)
            way.losing = True
            await wait_until_moment(start + 0.4)
            refusing = False
            await wait_until_moment(start + LOSING_SECONDS)
            way.losing = False
            way.cut()
            await wait_until_moment(start + ROUND_SECONDS)
        assert way.lost > 0
        assert refused
        harness.assert_none_twice()
