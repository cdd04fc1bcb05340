"""Values that PostgreSQL refuses, wrong clocks and repeated messages stop no dispatcher."""

from dataclasses import replace
from pathlib import Path

from deploy.paths import ROOT
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, build_phone, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_error

PAIR_LIMIT, BEYOND_INT4 = 131056, 99_999_999_999
# Longer than a request may take, from its claim.
LATER_SECONDS = 4.0
# Python runs a module of this name first, before the dispatcher reads the clock's function.
AHEAD = """
from datetime import timedelta
from shared.runtime import clock
clock.system_clock = lambda now=clock.system_clock: now() + timedelta(minutes=10)
"""


async def test_a_value_that_postgresql_refuses_ends_no_dispatcher_and_stops_nobody_else(
    harness: EndpointHarness,
) -> None:
    """In Meta's answer, in a status, and in a reply."""

    def behave(request: SendRequest) -> GraphAnswer:
        return build_error(BEYOND_INT4) if request.number in range(3, 100, 10) else GraphAnswer()

    harness.endpoint.behave = behave
    services = await harness.start(2)
    before = [service.pid for service in services]
    source = await harness.publish_broadcast(harness.build_citizens(100))
    await harness.wait_for_states({"accepted": 90, "failed": 10}, source)

    bad, *others = harness.endpoint.accepted
    statuses = [harness.build_status(one, "delivered") for one in others]
    await harness.publish_group([harness.build_status(bad, "failed", BEYOND_INT4), *statuses])
    await harness.wait_for_states({"delivered": 89, "failed": 11}, source)

    named, *asking = harness.build_citizens(51)
    reply = await harness.request_reply(named, "Guten\x00Tag")
    for citizen in asking:
        await harness.request_reply(citizen, "Guten Tag")
    await harness.wait_until(lambda: harness.count_accepted(asking) == [1] * 50)

    async def is_visible() -> bool:
        ended = {"accepted", "failed"} & (await harness.count_states(reply)).keys()
        return bool(ended) or await harness.count_messages("dispatch.reply.dead") == 1

    await harness.wait_until(is_visible)
    assert [service.pid for service in services] == before


async def test_an_unanswered_message_is_sent_again_although_the_last_status_has_come(harness: EndpointHarness) -> None:
    """Where Meta has nothing more to report, our own marks show that no status waits to be read."""
    harness.endpoint.behave = lambda request: GraphAnswer() if request.number else None
    await harness.start()
    lost, later = harness.build_citizens(2)
    await harness.publish_broadcast([lost])
    await harness.wait_for_states({"unknown": 1})
    await wait_until_moment(harness.endpoint.requests[0].at + LATER_SECONDS)
    await harness.publish_broadcast([later])
    await harness.wait_for_accepted(1)
    await harness.publish_statuses(harness.endpoint.requests[1:])
    await harness.wait_for_accepted(2)
    assert [request.recipient for request in harness.endpoint.requests] == [*map(build_phone, (0, 1, 0))]


async def test_a_replica_whose_clock_is_wrong_neither_drops_messages_nor_retries_at_a_wrong_time(
    harness: EndpointHarness, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AHEAD)
    dispatcher = harness.prepare()
    environment = {**dispatcher.command.environment, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    dispatcher.command = replace(dispatcher.command, environment=environment)
    harness.endpoint.behave = lambda request: build_error(PAIR_LIMIT) if request.number == 1 else GraphAnswer()
    await dispatcher.start()
    await harness.publish_broadcast(harness.build_citizens(2), expires_in=300)
    await harness.wait_for_states({"accepted": 1, "waiting": 1})
    due = "select extract(epoch from due_at - claimed_at) from dispatcher.delivery where waits_for = 'pair'"
    assert 4 <= await harness.owner.fetchval(due) < 60


async def test_sending_goes_on_after_the_clock_of_the_database_was_set_back(harness: EndpointHarness) -> None:
    """The rate's row says that everything up to an hour from now is reserved."""
    await harness.start(2)
    await harness.publish_broadcast(harness.build_citizens(300))
    await harness.wait_for_accepted(50)
    await harness.owner.execute("update dispatcher.rate set next_at = clock_timestamp() + interval '1 hour'")
    await harness.wait_for_accepted(300)
