"""Meta names the sender, but means one person: nobody else waits for longer than until the next probe."""

import asyncio

from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_refusal

MARGIN_SECONDS = 15.0
ACCESS_DENIED = 131005
UNLUCKY = build_phone(0)


def refuse_one(request: SendRequest) -> GraphAnswer:
    return build_refusal(ACCESS_DENIED, 403) if request.recipient == UNLUCKY else GraphAnswer()


async def unlucky_ones_are(rig: EndpointHarness, count: int) -> None:
    await rig.wait_until(lambda: sum(request.recipient == UNLUCKY for request in rig.endpoint.requests) >= count)


async def assert_a_broadcast_pauses_once(rig: EndpointHarness) -> None:
    rig.endpoint.behave = refuse_one
    (dispatcher,) = await rig.start()
    await rig.publish_broadcast(rig.build_citizens(300))
    await unlucky_ones_are(rig, 1)
    await rig.wait_for_accepted(299, PROBE_DELAY_SECONDS + MARGIN_SECONDS)
    await unlucky_ones_are(rig, 4)
    assert [event["event"] for event in rig.read_log(dispatcher, "error")] == ["sending_paused"]
    assert await rig.read_paused_reason() is None

    await rig.wait_for_states({"accepted": 299, "waiting": 1})


async def assert_a_later_reply_is_the_probe(rig: EndpointHarness) -> None:
    rig.endpoint.behave = refuse_one
    await rig.start()
    unlucky, other = rig.build_citizens(2)
    await rig.request_reply(unlucky, "Guten Tag")
    await rig.wait_until_paused()
    await rig.request_reply(other, "Guten Tag")
    await rig.wait_for_accepted(1, PROBE_DELAY_SECONDS + MARGIN_SECONDS)
    await unlucky_ones_are(rig, 3)
    assert await rig.read_paused_reason() is None


async def test_a_code_about_the_sender_that_one_recipient_gets_again_and_again_pauses_once(
    rig: EndpointHarness, second_rig: EndpointHarness
) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(assert_a_broadcast_pauses_once(rig))
        both.create_task(assert_a_later_reply_is_the_probe(second_rig))
