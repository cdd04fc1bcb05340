"""A value that PostgreSQL does not take ends no process and stops nobody else's message."""

from datetime import UTC, datetime

from deploy.local.service import Service
from shared.amqp import topology
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from tests.integration.dispatcher.dispatch_client import until
from tests.integration.dispatcher.endpoint_rig import EndpointRig, phone
from tests.integration.dispatcher.graph_endpoint import GraphAnswer, SendRequest, refuse

BEYOND_INT4 = 99_999_999_999


def pids(services: list[Service]) -> list[int | None]:
    return [service.pid for service in services]


async def test_an_error_code_beyond_int4_ends_no_dispatcher(endpoint_rig: EndpointRig) -> None:
    def behave(request: SendRequest) -> GraphAnswer:
        return refuse(BEYOND_INT4) if request.number % 10 == 3 else GraphAnswer()

    endpoint_rig.endpoint.behave = behave
    services = await endpoint_rig.start(2)
    before = pids(services)
    source = await endpoint_rig.client.broadcast(endpoint_rig.citizens(100))

    async def all_recorded() -> bool:
        return await endpoint_rig.client.states(source) == {"accepted": 90, "failed": 10}

    await until(all_recorded, endpoint_rig.summary)
    assert pids(services) == before


async def test_an_error_code_beyond_int4_in_a_status_ends_no_dispatcher(endpoint_rig: EndpointRig) -> None:
    services = await endpoint_rig.start(2)
    before = pids(services)
    source = await endpoint_rig.client.broadcast(endpoint_rig.citizens(20))
    await endpoint_rig.accepted(20)
    bad, *others = endpoint_rig.endpoint.accepted
    now = datetime.now(UTC)
    key = endpoint_rig.client.index_key.index("wamid", bad.message_id)
    status = DeliveryStatus(
        message_key=key,
        status="failed",
        at=now,
        received_at=now,
        delivery=str(bad.delivery),
        error_code=BEYOND_INT4,
    )
    await endpoint_rig.client.send(DeliveryStatuses(statuses=(status,)), topology.INBOUND, DeliveryStatuses.KEY)
    await endpoint_rig.report(others)

    async def all_known() -> bool:
        return await endpoint_rig.client.states(source) == {"delivered": 19, "failed": 1}

    await until(all_known, endpoint_rig.summary)
    assert pids(services) == before


async def test_a_reply_with_a_nul_ends_no_dispatcher_and_is_not_lost_from_sight(endpoint_rig: EndpointRig) -> None:
    services = await endpoint_rig.start(2)
    before = pids(services)
    bad, *others = endpoint_rig.citizens(51)
    reply = await endpoint_rig.client.reply(bad, "Guten\x00Tag")
    for citizen in others:
        await endpoint_rig.client.reply(citizen, "Guten Tag")

    async def others_have_theirs() -> bool:
        served = {request.recipient for request in endpoint_rig.endpoint.accepted}
        return len(served - {phone(bad.id)}) == len(others)

    await until(others_have_theirs, endpoint_rig.summary)

    async def is_visible() -> bool:
        states = await endpoint_rig.client.states(reply)
        return bool({"accepted", "failed"} & states.keys()) or await endpoint_rig.waiting_in("dispatch.reply.dead") == 1

    await until(is_visible, endpoint_rig.summary)
    assert pids(services) == before
