"""Answers in pieces, values that PostgreSQL refuses, wrong clocks and repeated messages stop no dispatcher."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.paths import ROOT
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_refusal

PAIR_LIMIT, PAYMENT_PROBLEM, BEYOND_INT4 = 131056, 131042, 99_999_999_999
# Longer than a request may take, from its claim.
LATER_SECONDS = 4.0
# Python runs a module of this name first, before the dispatcher reads the clock's function.
AHEAD = """
from datetime import timedelta
from shared.runtime import clock
clock.system_clock = lambda now=clock.system_clock: now() + timedelta(minutes=10)
"""


@pytest.mark.parametrize(("code", "count"), [(PAIR_LIMIT, 40), (PAYMENT_PROBLEM, 10)])
async def test_answers_in_two_segments_are_the_answers_that_they_are(
    rig: EndpointHarness, code: int, count: int
) -> None:
    refused: set[str] = set()

    def behave(request: SendRequest) -> GraphAnswer:
        if code == PAIR_LIMIT and request.recipient in refused:
            return GraphAnswer(pause=0.02)
        refused.add(request.recipient)
        return build_refusal(code, pause=0.02)

    rig.endpoint.behave = behave
    await rig.start()
    source = await rig.publish_broadcast(rig.build_citizens(count))
    if code == PAIR_LIMIT:
        await rig.wait_for_states({"accepted": count}, source)
    else:
        await rig.wait_until_paused()
    assert "failed" not in await rig.count_states(source)
    rig.assert_none_twice()


async def test_a_value_that_postgresql_refuses_ends_no_dispatcher_and_stops_nobody_else(rig: EndpointHarness) -> None:
    """In Meta's answer, in a status, and in a reply."""

    def behave(request: SendRequest) -> GraphAnswer:
        return build_refusal(BEYOND_INT4) if request.number in range(3, 100, 10) else GraphAnswer()

    rig.endpoint.behave = behave
    services = await rig.start(2)
    before = [service.pid for service in services]
    source = await rig.publish_broadcast(rig.build_citizens(100))
    await rig.wait_for_states({"accepted": 90, "failed": 10}, source)

    bad, *others = rig.endpoint.accepted
    statuses = [rig.build_status(one, "delivered") for one in others]
    await rig.publish_group([rig.build_status(bad, "failed", BEYOND_INT4), *statuses])
    await rig.wait_for_states({"delivered": 89, "failed": 11}, source)

    named, *asking = rig.build_citizens(51)
    reply = await rig.request_reply(named, "Guten\x00Tag")
    for citizen in asking:
        await rig.request_reply(citizen, "Guten Tag")
    await rig.wait_until(lambda: rig.count_accepted(asking) == [1] * 50)

    async def is_visible() -> bool:
        ended = {"accepted", "failed"} & (await rig.count_states(reply)).keys()
        return bool(ended) or await rig.count_messages("dispatch.reply.dead") == 1

    await rig.wait_until(is_visible)
    assert [service.pid for service in services] == before


async def test_replies_that_come_twice_keep_no_place_from_those_after_them(rig: EndpointHarness) -> None:
    (dispatcher,) = await rig.start()
    for citizen in rig.build_citizens(250):
        await rig.request_reply(citizen, "Guten Tag", times=2)
    await rig.wait_for_accepted(250)
    for citizen in rig.build_citizens(200):
        await rig.request_reply(citizen, "Guten Tag")
    await rig.wait_for_accepted(450)
    await dispatcher.stop()
    # What nobody has acknowledged is back on the queue now.
    assert await rig.count_messages("dispatch.reply") == 0
    assert len(rig.endpoint.requests) == 450


async def test_an_unanswered_message_is_sent_again_although_the_last_status_has_come(rig: EndpointHarness) -> None:
    """Where Meta has nothing more to report, our own marks show that no status waits to be read."""
    rig.endpoint.behave = lambda request: GraphAnswer() if request.number else None
    await rig.start()
    lost, later = rig.build_citizens(2)
    await rig.publish_broadcast([lost])
    await rig.wait_for_states({"unknown": 1})
    await wait_until_moment(rig.endpoint.requests[0].at + LATER_SECONDS)
    await rig.publish_broadcast([later])
    await rig.wait_for_accepted(1)
    await rig.publish_statuses(rig.endpoint.requests[1:])
    await rig.wait_for_accepted(2)
    assert [request.recipient for request in rig.endpoint.requests] == [*map(build_phone, (0, 1, 0))]


async def test_a_replica_whose_clock_is_wrong_neither_drops_messages_nor_retries_at_a_wrong_time(
    rig: EndpointHarness, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AHEAD)
    dispatcher = rig.prepare()
    environment = {**dispatcher.command.environment, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    dispatcher.command = replace(dispatcher.command, environment=environment)
    rig.endpoint.behave = lambda request: build_refusal(PAIR_LIMIT) if request.number == 1 else GraphAnswer()
    await dispatcher.start()
    await rig.publish_broadcast(rig.build_citizens(2), expires_in=300)
    await rig.wait_for_states({"accepted": 1, "waiting": 1})
    due = "select extract(epoch from due_at - claimed_at) from dispatcher.delivery where waits_for = 'pair'"
    assert 4 <= await rig.books.fetchval(due) < 60


async def test_sending_goes_on_after_the_clock_of_the_database_was_set_back(rig: EndpointHarness) -> None:
    """The rate's row says that everything up to an hour from now is reserved."""
    await rig.start(2)
    await rig.publish_broadcast(rig.build_citizens(300))
    await rig.wait_for_accepted(50)
    await rig.books.execute("update dispatcher.rate set next_at = clock_timestamp() + interval '1 hour'")
    await rig.wait_for_accepted(300)
