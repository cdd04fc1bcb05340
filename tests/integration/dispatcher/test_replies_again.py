"""Replies that are on the lane twice, and replies that no ledger can hold."""

from tests.integration.dispatcher.endpoint_harness import EndpointHarness

REPLY_LANE = "dispatch.reply"


async def test_replies_that_come_twice_keep_no_place_from_those_after_them(endpoint_rig: EndpointHarness) -> None:
    (dispatcher,) = await endpoint_rig.start()
    for citizen in endpoint_rig.build_citizens(250):
        await endpoint_rig.client.request_reply(citizen, "Guten Tag", times=2)
    await endpoint_rig.wait_for_accepted(250)
    for citizen in endpoint_rig.build_citizens(200):
        await endpoint_rig.client.request_reply(citizen, "Guten Tag")
    await endpoint_rig.wait_for_accepted(450)
    await dispatcher.stop()
    # What nobody has acknowledged is back on the queue now.
    assert await endpoint_rig.count_messages(REPLY_LANE) == 0
    assert len(endpoint_rig.endpoint.requests) == 450
