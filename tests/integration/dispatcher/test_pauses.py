"""A pause that somebody else caused ends by itself; meanwhile nobody is failed and hardly anything is sent."""

import re
import time
from dataclasses import replace

import asyncpg
import pytest

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.services import Service
from shared.amqp import topology
from tests.integration.cli.planned_broadcasts import run
from tests.integration.dispatcher.endpoint_harness import (
    EndpointHarness,
    wait_until_moment,
)
from tests.integration.dispatcher.fake_graph_api import (
    Behaviour,
    GraphAnswer,
    SendRequest,
    build_error,
    build_proxy_page,
    run_fake_graph_api,
)
from tests.servers import fetch_until

RECOVERED_SECONDS = 60.0
MARGIN_SECONDS = 15.0
MAX_PROBES = 3
MAX_WAIT = """
    select extract(epoch from greatest(max(due_at), (select probe_at from dispatcher.rate)) - now())
    from dispatcher.delivery where state = 'waiting'
"""
WAIT_SECONDS = 4  # the longest that Meta may ask for without a pause is five
PAUSED = ("kreisfunk_dispatcher_sending_paused", "kreisfunk_dispatcher_meta_unreachable_seconds")


def always(answer: GraphAnswer) -> Behaviour:
    return lambda _: answer


async def send_all_kinds(harness: EndpointHarness) -> int:
    """Let a broadcast and replies wait, and return how many messages that is."""
    citizens = harness.build_citizens(320)
    await harness.publish_broadcast(citizens[:300])
    for citizen in citizens[300:]:
        await harness.request_reply(citizen, "Guten Tag")
    return len(citizens)


async def test_that_meta_is_not_reachable_is_said_once_and_told_to_operators(harness: EndpointHarness) -> None:
    """Other ways in which it is not, tests/unit/shared/test_post_client.py has."""
    with reserve_ports(1) as (port,):
        (dispatcher,) = await harness.start(graph_url=f"http://{LOOPBACK}:{port}")
        await send_all_kinds(harness)

        async def count_tries_after(seconds: float) -> float:
            await fetch_until(lambda: harness.fetch_metric(dispatcher, PAUSED[1]), lambda found: found > seconds)
            return await harness.fetch_metric(dispatcher, "kreisfunk_dispatcher_sends_total", result="not_sent")

        before = await count_tries_after(2)
        assert await count_tries_after(9) - before <= MAX_PROBES
        told = await run({"KREISFUNK_DATABASE_URL": harness.database.build_role_url("kreisfunk_operator")}, "sending")
        assert "Meta is not reachable since 20" in told.output
        assert await harness.fetch_readiness(dispatcher) == 200
    assert [event["event"] for event in harness.read_log(dispatcher, "warning", "error")] == ["meta_not_reachable"]


async def one_429(harness: EndpointHarness) -> None:
    """Let Meta answer one request of a running broadcast with a long Retry-After."""
    long = replace(build_error(130429, 429), headers={"Retry-After": "600"})
    answered: list[int] = []

    def behave(request: SendRequest) -> GraphAnswer:
        if request.number < 40 or answered:
            return GraphAnswer()
        answered.append(request.number)
        return long

    harness.endpoint.behave = behave
    await harness.publish_broadcast(harness.build_citizens(200))

    await harness.wait_until(lambda: bool(answered))


async def is_shown_as_a_pause(harness: EndpointHarness, dispatcher: Service) -> None:
    """To operators and in metrics; Meta may ask for longer than we wait."""

    await harness.wait_for_metric(dispatcher, "kreisfunk_dispatcher_sending_paused", 1)
    await harness.wait_for_metric(dispatcher, "kreisfunk_dispatcher_rate_permitted", 0)
    operator = {"KREISFUNK_DATABASE_URL": harness.database.build_role_url("kreisfunk_operator")}
    (number,) = (await run(operator, "sending", "--json")).json["numbers"]
    assert (number["rate_permitted"], number["paused_by_operator"]) == (0, False)
    (told,) = number["waits"]
    assert told.startswith("paused: Meta verlangt 600 Sekunden Pause, HTTP 429 (next try in ")


@pytest.mark.parametrize("is_ended", [False, True], ids=["by itself", "by an operator"])
async def test_one_429_with_a_long_retry_after_is_said_and_over_within_a_minute(
    harness: EndpointHarness, operator: asyncpg.Connection, *, is_ended: bool
) -> None:
    (dispatcher,) = await harness.start()
    await one_429(harness)
    await is_shown_as_a_pause(harness, dispatcher)
    assert await harness.owner.fetchval(MAX_WAIT) < RECOVERED_SECONDS
    if is_ended:
        await operator.execute("select dispatcher.resume_sending(null)")
        await harness.wait_for_accepted(199, MARGIN_SECONDS)  # all but the one that Meta wants later
    else:
        await harness.owner.execute("update dispatcher.rate set probe_at = now()")
    await harness.owner.execute("update dispatcher.delivery set due_at = now() where state = 'waiting'")
    await harness.wait_for_accepted(200, MARGIN_SECONDS)
    told = [str(event) for event in harness.read_log(dispatcher, "warning", "error")]
    assert any(re.search("429|throughput|paus|slow", event, re.IGNORECASE) for event in told), told


async def test_what_a_replica_without_a_way_to_meta_has_in_hand_is_sent_by_the_other(harness: EndpointHarness) -> None:
    async with run_fake_graph_api() as proxy:
        proxy.behave = always(build_proxy_page(403))
        await harness.start()
        await harness.start(graph_url=f"http://{LOOPBACK}:{proxy.port}")

        async def both_consume() -> bool:
            return all([await harness.count_consumers(queue.name) == 2 for queue in topology.LANES.values()])

        await harness.wait_until(both_consume)
        citizens = harness.build_citizens(500)
        await harness.publish_broadcast(citizens[:400])
        for citizen in citizens[400:]:
            await harness.request_reply(citizen, "Guten Tag")
        await harness.wait_until(lambda: all(harness.count_accepted(citizens[400:])))
        await harness.wait_for_accepted(500)
        assert proxy.requests

        await harness.wait_for_states({"accepted": 500})


async def test_an_operators_pause_also_stops_what_waits_because_meta_asked_for_it(
    harness: EndpointHarness, operator: asyncpg.Connection
) -> None:
    """Slots for some seconds later are reserved when somebody pauses sending."""
    too_fast = replace(build_error(130429), headers={"Retry-After": str(WAIT_SECONDS)})
    harness.endpoint.behave = lambda request: GraphAnswer() if request.number else too_fast
    await harness.start()
    await harness.publish_broadcast(harness.build_citizens(100))
    reserved = """
        select isfinite(slowed_at) and next_at > slowed_at + make_interval(secs => $1) from dispatcher.rate
    """
    await harness.wait_for_value(reserved, WAIT_SECONDS)
    await operator.execute("select dispatcher.pause_sending('a test', null)")
    paused = time.monotonic()
    await wait_until_moment(paused + WAIT_SECONDS + 1)
    assert harness.endpoint.count_requests(paused + 1, paused + WAIT_SECONDS + 1) == 0
    await operator.execute("select dispatcher.resume_sending(null)")
    await harness.wait_for_accepted(100)
