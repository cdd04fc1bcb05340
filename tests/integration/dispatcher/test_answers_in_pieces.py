"""Answers of Meta's whose body comes in two segments are the answers that they are."""

import pytest

from tests.integration.dispatcher.dispatch_client import until
from tests.integration.dispatcher.endpoint_rig import EndpointRig
from tests.integration.dispatcher.graph_endpoint import GraphAnswer, SendRequest, accept, refuse

PAUSE = 0.02


async def test_an_acceptance_in_two_segments_is_one(endpoint_rig: EndpointRig) -> None:
    endpoint_rig.endpoint.behave = lambda _: GraphAnswer(pause=PAUSE)
    await endpoint_rig.start()
    source = await endpoint_rig.client.broadcast(endpoint_rig.citizens(200))

    async def all_accepted() -> bool:
        return await endpoint_rig.client.states(source) == {"accepted": 200}

    await until(all_accepted, endpoint_rig.summary)
    endpoint_rig.assert_none_twice()


@pytest.mark.parametrize(("code", "count"), [(131056, 40), (131042, 10)])
async def test_an_error_in_two_segments_is_understood(endpoint_rig: EndpointRig, code: int, count: int) -> None:
    refused: set[str] = set()

    def behave(request: SendRequest) -> GraphAnswer:
        if code == 131056 and request.recipient in refused:
            return accept(request)
        refused.add(request.recipient)
        return refuse(code, pause=PAUSE)

    endpoint_rig.endpoint.behave = behave
    await endpoint_rig.start()
    source = await endpoint_rig.client.broadcast(endpoint_rig.citizens(count))

    async def understood() -> bool:
        if code == 131042:
            return await endpoint_rig.held_reason() is not None
        return await endpoint_rig.client.states(source) == {"accepted": count}

    await until(understood, endpoint_rig.summary)
    assert "failed" not in await endpoint_rig.client.states(source)
