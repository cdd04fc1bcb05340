"""A sender that Meta refused for a while sends again by itself; meanwhile nobody fails and hardly anything is sent."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from services.dispatcher.handlers.pauses import MAX_REJECTIONS_IN_A_ROW
from shared.amqp import topology
from shared.contracts.inbound import AccountEvent, AccountEvents
from shared.runtime.clock import system_clock
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, run_separate_harness, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, build_acceptance, build_error, build_proxy_page
from tests.integration.dispatcher.test_pauses import (
    MARGIN_SECONDS,
    MAX_PROBES,
    PAUSED,
    RECOVERED_SECONDS,
    always,
    send_all_kinds,
)
from tests.servers import Servers

REFUSING_SECONDS = 20.0
REQUEST_SECONDS = 20  # as usual: on a busy machine an answer may take longer than the two of other tests
LOCKED = build_error(131031, 403)
DISABLED = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}


async def assert_it_recovers_by_itself(harness: EndpointHarness, since: float, count: int) -> None:
    """Meta is well again REFUSING_SECONDS after it was noticed: few probes until then, soon afterwards everything."""
    await wait_until_moment(since + REFUSING_SECONDS)
    harness.endpoint.behave = build_acceptance
    assert harness.endpoint.count_requests(since + 2, since + REFUSING_SECONDS) <= MAX_PROBES
    await harness.wait_for_accepted(1, RECOVERED_SECONDS)
    await harness.wait_for_accepted(count, MARGIN_SECONDS)
    assert await harness.read_paused_reason() is None
    states = await harness.count_states()
    assert not {"unknown", "failed"} & states.keys(), states


async def refuse_for_a_while(harness: EndpointHarness, answer: GraphAnswer, reason: str | None) -> None:
    harness.endpoint.behave = always(answer)
    (dispatcher,) = await harness.start(request_timeout_seconds=REQUEST_SECONDS)
    count = await send_all_kinds(harness)

    async def shown() -> bool:
        return any([await harness.fetch_metric(dispatcher, name) > 0 for name in PAUSED])

    await harness.wait_until(shown)
    assert await harness.read_paused_reason() == reason
    noticed = datetime.fromisoformat(harness.read_log(dispatcher, "error")[0]["timestamp"])
    since = time.monotonic() - (datetime.now(UTC) - noticed).total_seconds()
    await assert_it_recovers_by_itself(harness, since, count)
    assert 1 <= len(harness.read_log(dispatcher, "error")) <= MAX_PROBES


async def take_account_away_for_a_while(harness: EndpointHarness) -> None:
    """Let Meta say so in a webhook, before anything is refused; it says nothing when all is well again."""
    harness.endpoint.behave = always(LOCKED)
    now = system_clock()
    event = AccountEvent(field="account_update", value=DISABLED, at=now, received_at=now)
    await harness.start(2, request_timeout_seconds=REQUEST_SECONDS)
    await harness.send(AccountEvents(events=(event,)), topology.INBOUND, AccountEvents.KEY)
    await harness.wait_until_paused()
    since = time.monotonic()
    assert await harness.read_paused_reason() == "unser Konto ist von Meta gesperrt"
    count = await send_all_kinds(harness)
    await assert_it_recovers_by_itself(harness, since, count)


async def report_failures_for_a_while(harness: EndpointHarness) -> None:
    """Let Meta accept messages, and say of each afterwards that the account is locked; these are sent again."""
    await harness.start(2, request_timeout_seconds=REQUEST_SECONDS)
    await harness.publish_broadcast(harness.build_citizens(MAX_REJECTIONS_IN_A_ROW))
    await harness.wait_for_accepted(MAX_REJECTIONS_IN_A_ROW)
    harness.endpoint.behave = always(LOCKED)
    await harness.publish_statuses(harness.endpoint.accepted, "failed", 131031)
    await harness.wait_until_paused()
    since = time.monotonic()
    assert await harness.read_paused_reason() == "Konto gesperrt, Code 131031"
    harness.endpoint.accepted.clear()
    count = await send_all_kinds(harness)
    await assert_it_recovers_by_itself(harness, since, MAX_REJECTIONS_IN_A_ROW + count)


@pytest.mark.timeout(300)
async def test_a_sender_that_is_refused_for_a_while_sends_again_by_itself(
    servers: Servers, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a system of its own for each trouble: most of each is the half minute to a probe."""

    async def run_alone(trouble: Callable[[EndpointHarness], Awaitable[None]]) -> None:
        async with run_separate_harness(servers, database_template, tmp_path_factory.mktemp("recovery")) as harness:
            await trouble(harness)

    expired = partial(refuse_for_a_while, answer=build_error(190, 401), reason="Zugangsschlüssel abgelaufen, Code 190")
    proxied = partial(refuse_for_a_while, answer=build_proxy_page(403), reason=None)
    async with asyncio.TaskGroup() as troubles:
        for trouble in (expired, proxied, take_account_away_for_a_while, report_failures_for_a_while):
            troubles.create_task(run_alone(trouble))
