"""What Meta rejects because of a broadcast, its template or ourselves fails nobody for good, or only the first few."""

import asyncio

import pytest

from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from services.dispatcher.handlers.pauses import MAX_REJECTIONS_IN_A_ROW as MANY
from services.dispatcher.handlers.pauses import explain_code
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_acceptance, build_refusal

RECIPIENTS, OTHERS = 300, 40
# Messages that leave before the pause is committed.
IN_HAND = 40
MARGIN_SECONDS = 15.0
ACCESS_DENIED = 131005
UNLUCKY = build_phone(0)
BROADCASTS_PAUSED = "kreisfunk_dispatcher_broadcasts_paused_total"
PAUSED_REASON = "select paused_reason from dispatcher.broadcast where id = $1"


def build_reason(code: int) -> str:
    return f"Meta rejected {MANY} messages in a row: {explain_code(code)}"


async def test_a_broadcast_that_meta_rejects_again_and_again_pauses_and_no_other_does(rig: EndpointHarness) -> None:
    def reject(request: SendRequest) -> GraphAnswer:
        return build_refusal(131009) if "Umleitung" in str(request.content) else build_acceptance(request)

    rig.endpoint.behave = reject
    (dispatcher,) = await rig.start()
    citizens = rig.build_citizens(RECIPIENTS + OTHERS)
    rejected = await rig.publish_broadcast(citizens[:RECIPIENTS], text="Umleitung")
    accepted = await rig.publish_broadcast(citizens[RECIPIENTS:])

    async def settled() -> bool:
        states = await rig.count_states(rejected)
        others = await rig.count_states(accepted)
        return sum(states.values()) == RECIPIENTS and not states.get("claimed") and others == {"accepted": OTHERS}

    await rig.wait_until(settled)
    assert MANY <= (await rig.count_states(rejected))["failed"] <= MANY + IN_HAND
    assert await rig.books.fetchval(PAUSED_REASON, rejected) == build_reason(131009)
    assert await rig.fetch_metric(dispatcher, BROADCASTS_PAUSED) == 1
    assert await rig.read_paused_reason() is None

    rig.endpoint.behave = build_acceptance
    await rig.books.fetchval("select dispatcher.resume_broadcast($1)", rejected)
    await rig.books.fetchval("select count(*) from dispatcher.resend_missing($1, false)", rejected)

    await rig.wait_for_states({"accepted": RECIPIENTS}, rejected)
    rig.assert_none_twice()


@pytest.mark.parametrize(
    ("code", "cause", "resume"),
    [
        (131031, "sender", "select dispatcher.resume_sending(null)"),
        (132015, "template", "select dispatcher.resume_template(template) from dispatcher.template_pause"),
    ],
)
async def test_what_a_status_says_of_ourselves_or_the_template_stops_and_is_sent_again_afterwards(
    rig: EndpointHarness, code: int, cause: str, resume: str
) -> None:
    (dispatcher,) = await rig.start()
    source = await rig.publish_broadcast(rig.build_citizens(MANY))
    await rig.wait_for_accepted(MANY)
    first = list(rig.endpoint.requests)

    async def read_pauses() -> list[str]:
        pauses = "select paused_reason from dispatcher.rate union all select reason from dispatcher.template_pause"
        return [row[0] for row in await rig.books.fetch(pauses) if row[0]]

    await rig.publish_statuses(first, "failed", code)
    await rig.wait_for_states({"waiting": MANY}, source)

    async def is_paused() -> bool:
        return bool(await read_pauses())

    await rig.wait_until(is_paused)
    assert [str(code) in pause for pause in await read_pauses()] == [True]
    update = f"{cause.replace('sender', 'sending')}_paused"
    counted = "kreisfunk_dispatcher_account_updates_total"
    assert await rig.fetch_metric(dispatcher, counted, update=update) == 1
    await rig.books.fetchval(resume)
    await rig.books.execute("update dispatcher.delivery set due_at = now() where state = 'waiting'")
    await rig.wait_for_requests(2 * MANY)
    # Meta repeats a webhook until it is answered, and afterwards, too.
    await rig.publish_statuses(first, "failed", code)
    await rig.publish_statuses(rig.endpoint.requests[MANY:])

    await rig.wait_for_states({"delivered": MANY}, source)
    assert await read_pauses() == []
    assert await rig.books.fetchval("select max(attempt) from dispatcher.delivery") == 1


async def test_a_picture_that_meta_cannot_fetch_pauses_its_broadcast(rig: EndpointHarness) -> None:
    (dispatcher,) = await rig.start()
    source = await rig.publish_broadcast(rig.build_citizens(RECIPIENTS))
    reported = 0

    async def pause() -> bool:
        nonlocal reported
        new, reported = rig.endpoint.requests[reported:], len(rig.endpoint.requests)
        if new:
            await rig.publish_statuses(new, "failed", 131053)
        return await rig.fetch_metric(dispatcher, BROADCASTS_PAUSED) == 1

    await rig.wait_until(pause)
    assert await rig.books.fetchval(PAUSED_REASON, source) == build_reason(131053)

    await rig.wait_for_value("select count(*) from dispatcher.delivery where source = $1", source, value=RECIPIENTS)
    assert (await rig.count_states(source))["waiting"] > 0


async def test_many_failures_among_more_messages_that_arrive_pause_nothing(rig: EndpointHarness) -> None:
    """Meta sends what it could not deliver for a while in one webhook."""
    (dispatcher,) = await rig.start()
    source = await rig.publish_broadcast(rig.build_citizens(3 * MANY))
    await rig.wait_for_accepted(3 * MANY)
    failed, sent = rig.endpoint.requests[:MANY], rig.endpoint.requests[MANY:]
    statuses = [rig.build_status(request, "failed", 131049) for request in failed]
    await rig.publish_group(statuses + [rig.build_status(request, "sent") for request in sent])

    await rig.wait_for_states({"failed": MANY, "sent": 2 * MANY}, source)
    assert await rig.fetch_metric(dispatcher, BROADCASTS_PAUSED) == 0


async def test_a_small_broadcast_that_failed_as_a_whole_goes_again_when_an_operator_says_so(
    rig: EndpointHarness,
) -> None:
    (dispatcher,) = await rig.start()
    source = await rig.publish_broadcast(rig.build_citizens(MANY))
    await rig.wait_for_accepted(MANY)

    await rig.wait_for_value("select finished_at is not null from dispatcher.broadcast where id = $1", source)
    await rig.publish_statuses(rig.endpoint.requests, "failed", 131053)

    await rig.wait_for_metric(dispatcher, BROADCASTS_PAUSED, 1)
    await rig.books.fetchval("select count(*) from dispatcher.resend_missing($1, false)", source)
    await rig.wait_for_requests(2 * MANY)


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
    """Meta names the sender, but means one person: nobody else waits for longer than until the next probe."""
    async with asyncio.TaskGroup() as both:
        both.create_task(assert_a_broadcast_pauses_once(rig))
        both.create_task(assert_a_later_reply_is_the_probe(second_rig))
