"""A broadcast whose messages Meta rejects one after the other pauses before it has failed everybody."""

from services.dispatcher.domain.rejections import MAX_REJECTIONS_IN_A_ROW
from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import EndpointHarness
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_acceptance, build_refusal

RECIPIENTS, OTHERS = 300, 40
# Messages that leave before the pause is committed.
IN_HAND = 40


async def test_a_broadcast_that_meta_rejects_again_and_again_pauses_and_no_other_does(
    endpoint_rig: EndpointHarness,
) -> None:
    def reject(request: SendRequest) -> GraphAnswer:
        return build_refusal(131009) if "Umleitung" in str(request.content) else build_acceptance(request)

    client = endpoint_rig.client
    endpoint_rig.endpoint.behave = reject
    (dispatcher,) = await endpoint_rig.start()
    citizens = endpoint_rig.build_citizens(RECIPIENTS + OTHERS)
    rejected = await client.publish_broadcast(citizens[:RECIPIENTS], text="Umleitung")
    accepted = await client.publish_broadcast(citizens[RECIPIENTS:])

    async def settled() -> bool:
        states = await client.count_states(rejected)
        others = await client.count_states(accepted)
        return sum(states.values()) == RECIPIENTS and not states.get("claimed") and others == {"accepted": OTHERS}

    await wait_until(settled, endpoint_rig.describe)
    failed = (await client.count_states(rejected))["failed"]
    assert MAX_REJECTIONS_IN_A_ROW <= failed <= MAX_REJECTIONS_IN_A_ROW + IN_HAND
    reason = await client.books.fetchval("select paused_reason from dispatcher.broadcast where id = $1", rejected)
    assert reason == f"Meta rejected {MAX_REJECTIONS_IN_A_ROW} messages in a row: parameter value invalid (code 131009)"
    assert await endpoint_rig.fetch_metric(dispatcher, "kreisfunk_dispatcher_broadcasts_paused_total") == 1
    assert await endpoint_rig.read_paused_reason() is None

    endpoint_rig.endpoint.behave = build_acceptance
    await client.books.fetchval("select dispatcher.resume_broadcast($1)", rejected)
    await client.books.fetchval("select count(*) from dispatcher.resend_missing($1, false)", rejected)

    async def all_accepted() -> bool:
        return await client.count_states(rejected) == {"accepted": RECIPIENTS}

    await wait_until(all_accepted, endpoint_rig.describe)
    endpoint_rig.assert_none_twice()
