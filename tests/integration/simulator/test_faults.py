"""Faults on request: whatever the client sees, the account tells what really happened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

import aiohttp
import pytest

from tests.harness.simulator import SimulatorHarness, run_simulator_harness

GONE = pytest.raises(aiohttp.ClientConnectionError)


@asynccontextmanager
async def unanswered(harness: SimulatorHarness, citizen: dict[str, Any]) -> AsyncIterator[None]:
    """A message that is under way meanwhile, and whose sender gives up in the end."""
    waiting = asyncio.create_task(harness.send(citizen["phone"]))
    yield
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(("code", "status"), [(131016, 503), (4711, 418)], ids=["of Meta", "unknown"])
async def test_rejections_have_the_code_and_status_that_were_asked_for(
    harness: SimulatorHarness, code: int, status: int
) -> None:
    citizen = await harness.add_writer()
    await harness.call_control("PUT", "faults", {"reject_share": 1, "reject_code": code, "reject_status": status})
    answered, answer = await harness.send(citizen["phone"])
    assert (answered, answer["error"]["code"]) == (status, code)
    account = await harness.fetch_account()
    assert (account["accepted"], account["rejected"]) == (0, {str(code): 1})


@pytest.mark.parametrize(("fault", "heard"), [("cut_after_accept_share", {"dlv:1"}), ("vanish_share", set())])
async def test_a_cut_connection_hides_that_the_message_was_accepted_and_of_a_vanished_one_nobody_ever_hears(
    harness: SimulatorHarness, fault: str, heard: set[str]
) -> None:
    citizen = await harness.add_writer()
    await harness.call_control("PUT", "faults", {fault: 1})
    with pytest.raises(aiohttp.ClientConnectionError):
        await harness.send(citizen["phone"], biz_opaque_callback_data="dlv:1")
    assert (await harness.wait_until_settled())["delivered"] == 1
    (row,) = await harness.call_control("GET", "account/messages")
    assert (row["delivery"], row["vanished"]) == ("dlv:1", not heard)
    sent = [status for status in harness.business.statuses if status["status"] == "sent"]
    assert {status["biz_opaque_callback_data"] for status in sent} == heard
    assert bool(harness.business.statuses) is bool(heard)


@pytest.mark.parametrize(("share", "accepted"), [(1, 1), (0, 0)])
async def test_a_timeout_may_hide_an_accepted_message_or_none(
    harness: SimulatorHarness, share: float, accepted: int
) -> None:
    citizen = await harness.add_writer()
    await harness.call_control("PUT", "faults", {"timeout_share": 1, "timeout_accept_share": share})
    async with unanswered(harness, citizen):
        account = await harness.wait_for_attempts(1)
    assert account["accepted"] == accepted
    assert (await harness.wait_until_settled())["delivered"] == accepted


async def test_latency_delays_the_answer_not_the_acceptance(harness: SimulatorHarness) -> None:
    citizen = await harness.add_writer()
    await harness.call_control("PUT", "faults", {"latency_seconds": 3600, "latency_jitter_seconds": 1})
    async with unanswered(harness, citizen):
        assert (await harness.wait_for_attempts(1))["accepted"] == 1
        assert (await harness.wait_until_settled())["delivered"] == 1


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [({"latency_seconds": 3600}, nullcontext()), ({"timeout_share": 1, "timeout_accept_share": 1}, GONE)],
    ids=["answers what is only late", "cuts what would never be answered"],
)
async def test_a_stop_ends_requests(faults: dict[str, float], outcome: AbstractContextManager[object]) -> None:
    async with run_simulator_harness() as harness:
        citizen = await harness.add_writer()
        await harness.call_control("PUT", "faults", faults)
        waiting = asyncio.create_task(harness.send(citizen["phone"]))
        await harness.wait_for_attempts(1)
        harness.stopping.set()
        with outcome:
            assert (await waiting)[0] == 200


async def test_faults_are_replaced_as_a_whole_and_can_be_read(harness: SimulatorHarness) -> None:
    await harness.call_control("PUT", "faults", {"fail_share": 0.5})
    faults = await harness.call_control("PUT", "faults", {"read_share": 0.1})
    assert (faults["fail_share"], faults["read_share"]) == (0, 0.1)
    assert await harness.call_control("GET", "faults") == faults
