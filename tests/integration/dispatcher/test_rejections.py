"""What Meta rejects because of a broadcast, its template or ourselves fails nobody for good, or only the first few."""

import pytest

from services.dispatcher.domain.rejections import MAX_REJECTIONS_IN_A_ROW
from services.dispatcher.handlers.pauses import explain_code
from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import EndpointHarness
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_acceptance, build_refusal

RECIPIENTS, OTHERS = 300, 40
MANY = MAX_REJECTIONS_IN_A_ROW
# Messages that leave before the pause is committed.
IN_HAND = 40


def build_reason(code: int) -> str:
    return f"Meta rejected {MAX_REJECTIONS_IN_A_ROW} messages in a row: {explain_code(code)}"


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
    assert reason == build_reason(131009)
    assert await endpoint_rig.fetch_metric(dispatcher, "kreisfunk_dispatcher_broadcasts_paused_total") == 1
    assert await endpoint_rig.read_paused_reason() is None

    endpoint_rig.endpoint.behave = build_acceptance
    await client.books.fetchval("select dispatcher.resume_broadcast($1)", rejected)
    await client.books.fetchval("select count(*) from dispatcher.resend_missing($1, false)", rejected)

    async def all_accepted() -> bool:
        return await client.count_states(rejected) == {"accepted": RECIPIENTS}

    await wait_until(all_accepted, endpoint_rig.describe)
    endpoint_rig.assert_none_twice()


@pytest.mark.parametrize(
    ("code", "cause", "resume"),
    [
        (131031, "sender", "select dispatcher.resume_sending(null)"),
        (132015, "template", "select dispatcher.resume_template(template) from dispatcher.template_pause"),
    ],
)
async def test_what_a_status_says_of_ourselves_or_the_template_stops_and_is_sent_again_afterwards(
    endpoint_rig: EndpointHarness, code: int, cause: str, resume: str
) -> None:
    client, endpoint = endpoint_rig.client, endpoint_rig.endpoint
    (dispatcher,) = await endpoint_rig.start()
    source = await client.publish_broadcast(endpoint_rig.build_citizens(MANY))
    await endpoint_rig.wait_for_accepted(MANY)
    first = list(endpoint.requests)

    async def read_pauses() -> list[str]:
        pauses = "select paused_reason from dispatcher.rate union all select reason from dispatcher.template_pause"
        return [row[0] for row in await client.books.fetch(pauses) if row[0]]

    async def all_wait() -> bool:
        return await client.count_states(source) == {"waiting": MANY} and bool(await read_pauses())

    await endpoint_rig.publish_statuses(first, "failed", code)
    await wait_until(all_wait, endpoint_rig.describe)
    assert [str(code) in pause for pause in await read_pauses()] == [True]
    update = f"{cause.replace('sender', 'sending')}_paused"
    counted = "kreisfunk_dispatcher_account_updates_total"
    assert await endpoint_rig.fetch_metric(dispatcher, counted, update=update) == 1
    await client.books.fetchval(resume)
    await client.books.execute("update dispatcher.delivery set due_at = now() where state = 'waiting'")
    await endpoint_rig.wait_for_requests(2 * MANY)
    # Meta repeats a webhook until it is answered, and afterwards, too.
    await endpoint_rig.publish_statuses(first, "failed", code)
    await endpoint_rig.publish_statuses(endpoint.requests[MANY:])

    async def all_delivered() -> bool:
        return await client.count_states(source) == {"delivered": MANY}

    await wait_until(all_delivered, endpoint_rig.describe)
    assert await read_pauses() == []
    assert await client.books.fetchval("select max(attempt) from dispatcher.delivery") == 1


async def test_a_picture_that_meta_cannot_fetch_pauses_its_broadcast(endpoint_rig: EndpointHarness) -> None:
    client, endpoint = endpoint_rig.client, endpoint_rig.endpoint
    (dispatcher,) = await endpoint_rig.start()
    source = await client.publish_broadcast(endpoint_rig.build_citizens(RECIPIENTS))
    reported = 0

    async def pause() -> bool:
        nonlocal reported
        new, reported = endpoint.requests[reported:], len(endpoint.requests)
        if new:
            await endpoint_rig.publish_statuses(new, "failed", 131053)
        return await endpoint_rig.fetch_metric(dispatcher, "kreisfunk_dispatcher_broadcasts_paused_total") == 1

    await wait_until(pause, endpoint_rig.describe)
    reason = await client.books.fetchval("select paused_reason from dispatcher.broadcast where id = $1", source)
    assert reason == build_reason(131053)

    async def all_known() -> bool:
        return sum((await client.count_states(source)).values()) == RECIPIENTS

    await wait_until(all_known, endpoint_rig.describe)
    assert (await client.count_states(source))["waiting"] > 0


async def test_many_failures_among_more_messages_that_arrive_pause_nothing(endpoint_rig: EndpointHarness) -> None:
    """Meta sends what it could not deliver for a while in one webhook."""
    client = endpoint_rig.client
    (dispatcher,) = await endpoint_rig.start()
    source = await client.publish_broadcast(endpoint_rig.build_citizens(3 * MANY))
    await endpoint_rig.wait_for_accepted(3 * MANY)
    failed, sent = endpoint_rig.endpoint.requests[:MANY], endpoint_rig.endpoint.requests[MANY:]
    statuses = [endpoint_rig.build_status(request, "failed", 131049) for request in failed]
    await endpoint_rig.publish_group(statuses + [endpoint_rig.build_status(request, "sent") for request in sent])

    async def known() -> bool:
        return await client.count_states(source) == {"failed": MANY, "sent": 2 * MANY}

    await wait_until(known, endpoint_rig.describe)
    assert await endpoint_rig.fetch_metric(dispatcher, "kreisfunk_dispatcher_broadcasts_paused_total") == 0


async def test_a_small_broadcast_that_failed_as_a_whole_goes_again_when_an_operator_says_so(
    endpoint_rig: EndpointHarness,
) -> None:
    client, endpoint = endpoint_rig.client, endpoint_rig.endpoint
    (dispatcher,) = await endpoint_rig.start()
    source = await client.publish_broadcast(endpoint_rig.build_citizens(MANY))
    await endpoint_rig.wait_for_accepted(MANY)

    async def finished() -> bool:
        return bool(
            await client.books.fetchval(
                "select finished_at is not null from dispatcher.broadcast where id = $1", source
            )
        )

    await wait_until(finished, endpoint_rig.describe)
    await endpoint_rig.publish_statuses(endpoint.requests, "failed", 131053)

    async def told() -> bool:
        return await endpoint_rig.fetch_metric(dispatcher, "kreisfunk_dispatcher_broadcasts_paused_total") == 1

    await wait_until(told, endpoint_rig.describe)
    await client.books.fetchval("select count(*) from dispatcher.resend_missing($1, false)", source)
    await endpoint_rig.wait_for_requests(2 * MANY)
