"""Where Meta has nothing more to report, a dispatcher's own marks show that no status waits to be read."""

from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest

# Longer than a request may take, from its claim.
LATER_SECONDS = 4.0


async def test_an_unanswered_message_is_sent_again_although_the_last_status_has_come(
    endpoint_rig: EndpointHarness,
) -> None:
    def behave(request: SendRequest) -> GraphAnswer | None:
        return None if request.number == endpoint_rig.endpoint.requests[0].number else GraphAnswer()

    async def is_unknown() -> bool:
        return await endpoint_rig.count_states() == {"unknown": 1}

    endpoint_rig.endpoint.behave = behave
    await endpoint_rig.start()
    lost, later = endpoint_rig.build_citizens(2)
    await endpoint_rig.client.publish_broadcast([lost])
    await endpoint_rig.wait_for_requests(1)
    await wait_until(is_unknown, endpoint_rig.describe)
    await wait_until_moment(endpoint_rig.endpoint.requests[0].at + LATER_SECONDS)
    await endpoint_rig.client.publish_broadcast([later])
    await endpoint_rig.wait_for_accepted(1)
    await endpoint_rig.publish_statuses(endpoint_rig.endpoint.requests[1:])
    await endpoint_rig.wait_for_accepted(2)
    assert [request.recipient for request in endpoint_rig.endpoint.requests] == [*map(build_phone, (0, 1, 0))]
