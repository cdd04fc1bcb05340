"""Rejections caused by a broadcast, its template or ourselves fail nobody for good, or only the first few."""

import pytest

from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from services.dispatcher.handlers.pauses import MAX_REJECTIONS_IN_A_ROW as MANY
from services.dispatcher.handlers.pauses import explain_code
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_acceptance, build_error
from tests.servers import fetch_until

RECIPIENTS, OTHERS = 300, 40
# Messages that leave before the pause is committed.
IN_HAND = 40
MARGIN_SECONDS = 15.0
ACCESS_DENIED = 131005
UNLUCKY = build_phone(0)
BROADCASTS_PAUSED = "kreisfunk_dispatcher_broadcasts_paused_total"
PAUSED_REASON = "select paused_reason from dispatcher.broadcast where id = $1"


def build_reason(code: int) -> str:
    return f"Meta hat {MANY} Nachrichten hintereinander abgelehnt: {explain_code(code)}"


async def test_a_broadcast_that_meta_rejects_again_and_again_pauses_and_no_other_does(harness: EndpointHarness) -> None:
    def reject(request: SendRequest) -> GraphAnswer:
        return build_error(131009) if "Umleitung" in str(request.content) else build_acceptance(request)

    harness.endpoint.behave = reject
    (dispatcher,) = await harness.start()
    citizens = harness.build_citizens(RECIPIENTS + OTHERS)
    rejected = await harness.publish_broadcast(citizens[:RECIPIENTS], text="Umleitung")
    accepted = await harness.publish_broadcast(citizens[RECIPIENTS:])

    async def settled() -> bool:
        states = await harness.count_states(rejected)
        others = await harness.count_states(accepted)
        return sum(states.values()) == RECIPIENTS and not states.get("claimed") and others == {"accepted": OTHERS}

    await harness.wait_until(settled)
    assert MANY <= (await harness.count_states(rejected))["failed"] <= MANY + IN_HAND
    assert await harness.owner.fetchval(PAUSED_REASON, rejected) == build_reason(131009)
    assert await harness.fetch_metric(dispatcher, BROADCASTS_PAUSED) == 1
    assert await harness.read_paused_reason() is None

    harness.endpoint.behave = build_acceptance
    await harness.owner.fetchval("select dispatcher.resume_broadcast($1)", rejected)
    await harness.owner.fetchval("select count(*) from dispatcher.resend_missing($1, false)", rejected)

    await harness.wait_for_states({"accepted": RECIPIENTS}, rejected)
    harness.assert_none_twice()


@pytest.mark.parametrize(
    ("code", "cause", "resume"),
    [
        (131031, "sender", "select dispatcher.resume_sending(null)"),
        (132015, "template", "select dispatcher.resume_template(template) from dispatcher.template_pause"),
    ],
)
async def test_what_a_status_says_of_ourselves_or_the_template_stops_and_is_sent_again_afterwards(
    harness: EndpointHarness, code: int, cause: str, resume: str
) -> None:
    (dispatcher,) = await harness.start()
    source = await harness.publish_broadcast(harness.build_citizens(MANY))
    await harness.wait_for_accepted(MANY)
    first = list(harness.endpoint.requests)

    async def read_pauses() -> list[str]:
        pauses = "select paused_reason from dispatcher.rate union all select reason from dispatcher.template_pause"
        return [row[0] for row in await harness.owner.fetch(pauses) if row[0]]

    await harness.publish_statuses(first, "failed", code)
    await harness.wait_for_states({"waiting": MANY}, source)
    await fetch_until(read_pauses, bool)
    assert [str(code) in pause for pause in await read_pauses()] == [True]
    update = f"{cause.replace('sender', 'sending')}_paused"
    counted = "kreisfunk_dispatcher_account_updates_total"
    assert await harness.fetch_metric(dispatcher, counted, update=update) == 1
    await harness.owner.fetchval(resume)
    await harness.owner.execute("update dispatcher.delivery set due_at = now() where state = 'waiting'")
    await harness.wait_for_requests(2 * MANY)
    # Meta repeats a webhook until it is answered, and afterwards, too.
    await harness.publish_statuses(first, "failed", code)
    await harness.publish_statuses(harness.endpoint.requests[MANY:])

    await harness.wait_for_states({"delivered": MANY}, source)
    assert await read_pauses() == []
    assert await harness.owner.fetchval("select max(attempt) from dispatcher.delivery") == 1


async def test_many_failures_among_more_messages_that_arrive_pause_nothing(harness: EndpointHarness) -> None:
    """Meta sends what it could not deliver for a while in one webhook."""
    (dispatcher,) = await harness.start()
    source = await harness.publish_broadcast(harness.build_citizens(3 * MANY))
    await harness.wait_for_accepted(3 * MANY)
    failed, sent = harness.endpoint.requests[:MANY], harness.endpoint.requests[MANY:]
    statuses = [harness.build_status(request, "failed", 131049) for request in failed]
    await harness.publish_group(statuses + [harness.build_status(request, "sent") for request in sent])

    await harness.wait_for_states({"failed": MANY, "sent": 2 * MANY}, source)
    assert await harness.fetch_metric(dispatcher, BROADCASTS_PAUSED) == 0


def refuse_one(request: SendRequest) -> GraphAnswer:
    return build_error(ACCESS_DENIED, 403) if request.recipient == UNLUCKY else GraphAnswer()


async def unlucky_ones_are(harness: EndpointHarness, count: int) -> None:
    await harness.wait_until(
        lambda: sum(request.recipient == UNLUCKY for request in harness.endpoint.requests) >= count
    )


async def test_a_code_about_the_sender_that_one_recipient_gets_again_and_again_pauses_once(
    harness: EndpointHarness,
) -> None:
    """Meta names the sender, but means one person: nobody else waits for longer than until the next probe."""
    harness.endpoint.behave = refuse_one
    (dispatcher,) = await harness.start()
    await harness.publish_broadcast(harness.build_citizens(300))
    await unlucky_ones_are(harness, 1)
    await harness.wait_for_accepted(299, PROBE_DELAY_SECONDS + MARGIN_SECONDS)
    await unlucky_ones_are(harness, 4)
    assert [event["event"] for event in harness.read_log(dispatcher, "error")] == ["sending_paused"]
    assert await harness.read_paused_reason() is None

    await harness.wait_for_states({"accepted": 299, "waiting": 1})
