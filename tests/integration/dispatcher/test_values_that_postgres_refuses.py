"""A value that PostgreSQL does not take ends no process and stops nobody else's message."""

from datetime import UTC, datetime

from deploy.local.services import Service
from shared.amqp import topology
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_refusal

BEYOND_INT4 = 99_999_999_999


def pids(services: list[Service]) -> list[int | None]:
    return [service.pid for service in services]


async def test_an_error_code_beyond_int4_ends_no_dispatcher(endpoint_rig: EndpointHarness) -> None:
    def behave(request: SendRequest) -> GraphAnswer:
        return build_refusal(BEYOND_INT4) if request.number % 10 == 3 else GraphAnswer()

    endpoint_rig.endpoint.behave = behave
    services = await endpoint_rig.start(2)
    before = pids(services)
    source = await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(100))

    async def all_recorded() -> bool:
        return await endpoint_rig.client.count_states(source) == {"accepted": 90, "failed": 10}

    await wait_until(all_recorded, endpoint_rig.describe)
    assert pids(services) == before


async def test_an_error_code_beyond_int4_in_a_status_ends_no_dispatcher(endpoint_rig: EndpointHarness) -> None:
    services = await endpoint_rig.start(2)
    before = pids(services)
    source = await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(20))
    await endpoint_rig.wait_for_accepted(20)
    bad, *others = endpoint_rig.endpoint.accepted
    now = datetime.now(UTC)
    key = endpoint_rig.client.index_key.compute_index("wamid", bad.message_id)
    status = DeliveryStatus(
        message_key=key,
        status="failed",
        at=now,
        received_at=now,
        delivery=str(bad.delivery),
        error_code=BEYOND_INT4,
    )
    await endpoint_rig.client.send(DeliveryStatuses(statuses=(status,)), topology.INBOUND, DeliveryStatuses.KEY)
    await endpoint_rig.publish_statuses(others)

    async def all_known() -> bool:
        return await endpoint_rig.client.count_states(source) == {"delivered": 19, "failed": 1}

    await wait_until(all_known, endpoint_rig.describe)
    assert pids(services) == before


async def test_a_reply_with_a_nul_ends_no_dispatcher_and_is_not_lost_from_sight(endpoint_rig: EndpointHarness) -> None:
    services = await endpoint_rig.start(2)
    before = pids(services)
    bad, *others = endpoint_rig.build_citizens(51)
    reply = await endpoint_rig.client.request_reply(bad, "Guten\x00Tag")
    for citizen in others:
        await endpoint_rig.client.request_reply(citizen, "Guten Tag")

    async def others_have_theirs() -> bool:
        served = {request.recipient for request in endpoint_rig.endpoint.accepted}
        return len(served - {build_phone(bad.id)}) == len(others)

    await wait_until(others_have_theirs, endpoint_rig.describe)

    async def is_visible() -> bool:
        states = await endpoint_rig.client.count_states(reply)
        return (
            bool({"accepted", "failed"} & states.keys())
            or await endpoint_rig.count_messages("dispatch.reply.dead") == 1
        )

    await wait_until(is_visible, endpoint_rig.describe)
    assert pids(services) == before
