"""Answers of Meta's whose body comes in two segments are the answers that they are."""

import pytest

from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import EndpointHarness
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_acceptance, build_refusal

PAUSE = 0.02


async def test_an_acceptance_in_two_segments_is_one(endpoint_rig: EndpointHarness) -> None:
    endpoint_rig.endpoint.behave = lambda _: GraphAnswer(pause=PAUSE)
    await endpoint_rig.start()
    source = await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(200))

    async def all_accepted() -> bool:
        return await endpoint_rig.client.count_states(source) == {"accepted": 200}

    await wait_until(all_accepted, endpoint_rig.describe)
    endpoint_rig.assert_none_twice()


@pytest.mark.parametrize(("code", "count"), [(131056, 40), (131042, 10)])
async def test_an_error_in_two_segments_is_understood(endpoint_rig: EndpointHarness, code: int, count: int) -> None:
    refused: set[str] = set()

    def behave(request: SendRequest) -> GraphAnswer:
        if code == 131056 and request.recipient in refused:
            return build_acceptance(request)
        refused.add(request.recipient)
        return build_refusal(code, pause=PAUSE)

    endpoint_rig.endpoint.behave = behave
    await endpoint_rig.start()
    source = await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(count))

    async def understood() -> bool:
        if code == 131042:
            return await endpoint_rig.read_paused_reason() is not None
        return await endpoint_rig.client.count_states(source) == {"accepted": count}

    await wait_until(understood, endpoint_rig.describe)
    assert "failed" not in await endpoint_rig.client.count_states(source)
