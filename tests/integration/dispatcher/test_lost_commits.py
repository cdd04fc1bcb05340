"""The answer to a commit is lost, and the replica commits again what it has committed already."""

import time

from tests.databases import Database
from tests.integration.dispatcher.endpoint_rig import EndpointRig, passed
from tests.integration.dispatcher.graph_endpoint import GraphAnswer, SendRequest, refuse
from tests.integration.dispatcher.lost_commits import losing_commits
from tests.integration.dispatcher.rig import ROLE

ROUNDS = 5
LOSING_SECONDS = 1.0
ROUND_SECONDS = 5.0
SLOW_ANSWER_SECONDS = 2.0


async def test_a_result_that_is_committed_twice_sends_nothing_twice(
    endpoint_rig: EndpointRig, database: Database
) -> None:
    refused: set[str] = set()
    refusing = False

    def behave(request: SendRequest) -> GraphAnswer:
        if refusing and request.recipient not in refused:
            refused.add(request.recipient)
            return refuse(130429)
        return GraphAnswer(after=SLOW_ANSWER_SECONDS)

    endpoint_rig.endpoint.behave = behave
    async with losing_commits(database.url_as(ROLE)) as way:
        await endpoint_rig.start(database_url=way.url, request_timeout_seconds=10)
        await endpoint_rig.start(request_timeout_seconds=10)
        await endpoint_rig.client.broadcast(endpoint_rig.citizens(1500))
        await endpoint_rig.arrived(100)
        for _ in range(ROUNDS):
            start = time.monotonic()
            refusing = True
            await passed(start + 0.15)
            way.losing = True
            await passed(start + 0.4)
            refusing = False
            await passed(start + LOSING_SECONDS)
            way.losing = False
            way.cut()
            await passed(start + ROUND_SECONDS)
        assert way.lost > 0
        assert refused
        endpoint_rig.assert_none_twice()
