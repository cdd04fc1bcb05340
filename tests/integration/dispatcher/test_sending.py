"""The dispatcher's promises, with real processes and real faults; the simulator's account is the judge."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.amqp import topology
from shared.contracts.dispatch import Withdrawal
from shared.contracts.events import BroadcastCancelled, SubscriptionEnded
from shared.contracts.message import Lane
from tests.databases import FreshDatabase
from tests.integration.dispatcher.dispatch_client import TEMPLATE, Citizen, wait_until
from tests.integration.dispatcher.harness import LIMIT, DispatcherHarness, run_harness


@pytest.fixture(scope="module")
async def running(
    declared_vhost: str, module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DispatcherHarness]:
    async with run_harness(declared_vhost, module_database, tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture
async def rig(running: DispatcherHarness) -> AsyncIterator[DispatcherHarness]:
    """Without faults before and after, and with the rate as at the start."""
    await running.call_simulator("PUT", "faults", {})
    await running.books.execute(
        "update dispatcher.rate set per_second = ceiling, next_at = now(), paused_reason = null"
    )
    yield running
    await running.call_simulator("PUT", "faults", {})


def per_citizen(messages: list[dict[str, Any]]) -> Counter[int]:
    return Counter(message["citizen"] for message in messages)


def once_each(citizens: list[Citizen]) -> Counter[int]:
    return Counter(citizen.id for citizen in citizens)


async def some_arrived(rig: DispatcherHarness, source: Any, count: int) -> None:
    async def enough() -> bool:
        return sum((await rig.count_states(source)).values()) >= count

    await wait_until(enough, lambda: rig.count_states(source))


async def test_a_killed_replica_costs_nobody_a_message_and_doubles_none(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(300)
    source = await rig.publish_broadcast(citizens)
    await some_arrived(rig, source, 100)
    rig.services["dispatcher-1"].kill()
    await rig.services["dispatcher-1"].wait()
    # Later messages are what proves that the lost ones were never accepted, as many as it takes on a busy machine.
    for _ in range(10):
        later = await rig.publish_broadcast(await rig.add_citizens(20))
        await rig.wait_until_settled(later, 20)
        with suppress(AssertionError):
            await rig.wait_until_settled(source, 300, seconds=6)
            break
    await rig.wait_until_settled(source, 300, seconds=6)
    assert per_citizen(await rig.list_accepted(source)) == once_each(citizens)
    await rig.services["dispatcher-1"].start()


async def test_sigterm_hands_over_in_time_and_loses_nothing(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(300)
    source = await rig.publish_broadcast(citizens)
    await some_arrived(rig, source, 60)
    for name in ("dispatcher-1", "dispatcher-2"):
        await rig.services[name].stop()
        assert await rig.services[name].wait() == 0
        await rig.services[name].start()
    await rig.wait_until_settled(source, 300)
    assert per_citizen(await rig.list_accepted(source)) == once_each(citizens)


async def test_an_answer_that_was_cut_off_is_found_by_its_status_and_not_sent_again(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(100)
    await rig.call_simulator("PUT", "faults", {"cut_after_accept_share": 0.3})
    source = await rig.publish_broadcast(citizens)
    await rig.wait_until_settled(source, 100)
    assert per_citizen(await rig.list_accepted(source)) == once_each(citizens)


@pytest.mark.parametrize(("code", "status"), [(131016, 503), (131000, 500), (130429, 400)])
async def test_a_passing_error_is_tried_again_until_it_has_passed(
    rig: DispatcherHarness, code: int, status: int
) -> None:
    citizens = await rig.add_citizens(40)
    await rig.call_simulator("PUT", "faults", {"reject_share": 1.0, "reject_code": code, "reject_status": status})
    source = await rig.publish_broadcast(citizens)

    async def rejected() -> bool:
        return bool((await rig.count_states(source)).get("waiting", 0))

    await wait_until(rejected, lambda: rig.count_states(source))
    await rig.call_simulator("PUT", "faults", {})
    await rig.wait_until_settled(source, 40)
    assert per_citizen(await rig.list_accepted(source)) == once_each(citizens)


async def test_a_paused_template_makes_its_broadcasts_wait_until_meta_releases_it(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(30)
    await rig.call_simulator("PUT", f"templates/{TEMPLATE}", {"status": "PAUSED"})
    source = await rig.publish_broadcast(citizens)

    async def waits() -> bool:
        return await rig.count_states(source) == {"waiting": 30}

    await wait_until(waits, lambda: rig.count_states(source))
    await rig.call_simulator("PUT", f"templates/{TEMPLATE}", {"status": "APPROVED"})
    await rig.wait_until_settled(source, 30)
    assert per_citizen(await rig.list_accepted(source)) == once_each(citizens)


async def test_a_failure_that_is_reported_later_and_may_pass_is_tried_again(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(10)
    await rig.call_simulator("PUT", "faults", {"fail_share": 1.0, "fail_code": 131016})
    source = await rig.publish_broadcast(citizens)

    async def waits() -> bool:
        return bool((await rig.count_states(source)).get("waiting", 0))

    await wait_until(waits, lambda: rig.count_states(source))
    await rig.call_simulator("PUT", "faults", {})
    assert set(await rig.wait_until_settled(source, 10)) <= {"delivered", "read"}


async def test_subscriptions_is_told_whom_meta_will_not_reach(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(2)
    await rig.call_simulator("PUT", "faults", {"reject_share": 1.0, "reject_code": 131050, "reject_status": 400})
    source = await rig.publish_broadcast(citizens)
    assert await rig.wait_until_settled(source, 2) == {"failed": 2}

    async def told() -> bool:
        statement = "select count(*) from dispatcher.refusal where told_at is not null and subscriber = any($1)"
        return bool(await rig.books.fetchval(statement, [one.subscriber for one in citizens]) == 2)

    await wait_until(told, lambda: rig.count_states(source))


async def test_statuses_doubled_delayed_and_shuffled_change_nothing(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(150)
    faults = {"webhook_duplicate_share": 0.5, "webhook_delay_seconds": 0.5, "webhook_shuffle": True, "read_share": 1.0}
    await rig.call_simulator("PUT", "faults", faults)
    source = await rig.publish_broadcast(citizens)

    async def all_read() -> bool:
        return await rig.count_states(source) == {"read": 150}

    await wait_until(all_read, lambda: rig.count_states(source))
    assert per_citizen(await rig.list_accepted(source)) == once_each(citizens)


async def test_nothing_leaves_after_a_stop_and_the_confirmation_is_the_last_word(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(200)
    leaving = citizens[150:]
    for citizen in leaving:
        await rig.call_simulator("POST", f"citizens/{citizen.id}/messages", {"text": "Stop"})
    source = await rig.publish_broadcast(citizens)
    await some_arrived(rig, source, 30)
    replies = [
        await rig.request_reply(one, "Sie sind abgemeldet.", Withdrawal(subscriber=one.subscriber, sequence=1))
        for one in leaving
    ]
    await rig.wait_until_settled(source, 200)
    confirmed = {
        (await rig.list_accepted(reply))[0]["citizen"]: (await rig.list_accepted(reply))[0] for reply in replies
    }
    late = [
        message
        for message in await rig.list_accepted(source)
        if message["citizen"] in confirmed
        and message["accepted_at"] > confirmed[message["citizen"]]["accepted_at"] + 1.0
    ]
    assert late == []
    assert (await rig.count_states(source)).get("suppressed", 0) > 0


async def test_the_event_alone_suppresses_what_is_queued(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(3)
    ended = citizens[0]
    event = SubscriptionEnded(subscriber=ended.subscriber, sequence=1, at=datetime.now(UTC))
    await rig.send(event, topology.EVENTS, SubscriptionEnded.KEY)

    async def suppressed() -> bool:
        statement = "select exists (select from dispatcher.suppression where subscriber = $1)"
        return bool(await rig.books.fetchval(statement, ended.subscriber))

    await wait_until(suppressed, lambda: rig.count_states(ended.subscriber))
    source = await rig.publish_broadcast(citizens)
    assert (await rig.wait_until_settled(source, 3))["suppressed"] == 1
    assert ended.id not in per_citizen(await rig.list_accepted(source))


async def test_a_cancelled_broadcast_stops_where_it_is(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(300)
    source = await rig.publish_broadcast(citizens)
    await some_arrived(rig, source, 30)
    await rig.send(
        BroadcastCancelled(broadcast=source, source="/x", notice="n"), topology.EVENTS, BroadcastCancelled.KEY
    )
    states = await rig.wait_until_settled(source, 300)
    assert states["cancelled"] > 0
    assert len(await rig.list_accepted(source)) == 300 - states["cancelled"]


async def test_what_has_expired_is_recorded_and_not_sent(rig: DispatcherHarness) -> None:
    source = await rig.publish_broadcast(await rig.add_citizens(5), expires_in=-1)
    assert await rig.wait_until_settled(source, 5) == {"expired": 5}
    assert await rig.list_accepted(source) == []


async def test_a_reply_and_an_urgent_notice_overtake_what_is_queued(rig: DispatcherHarness) -> None:
    citizens = await rig.add_citizens(400)
    asking, alarmed = citizens[0], citizens[1]
    await rig.call_simulator("POST", f"citizens/{asking.id}/messages", {"text": "Hallo"})
    source = await rig.publish_broadcast(citizens)
    await some_arrived(rig, source, 20)
    urgent = await rig.publish_broadcast([alarmed], lane=Lane.URGENT)
    reply = await rig.request_reply(asking, "Guten Tag")
    await rig.wait_until_settled(source, 400)
    order = [message["sequence"] for message in await rig.list_accepted(source)]
    for overtaking in (urgent, reply):
        (message,) = await rig.list_accepted(overtaking)
        assert sum(1 for sequence in order if sequence > message["sequence"]) > 250


async def test_everybody_gets_a_broadcast_once_however_often_it_is_published_and_never_faster_than_the_limit(
    rig: DispatcherHarness,
) -> None:
    citizens = await rig.add_citizens(400)
    source = await rig.publish_broadcast(citizens, times=3)
    assert set(await rig.wait_until_settled(source, 400)) <= {"delivered", "read"}
    accepted = await rig.list_accepted(source)
    assert per_citizen(accepted) == once_each(citizens)
    times = sorted(message["accepted_at"] for message in accepted)
    most = max(sum(1 for other in times if start <= other < start + 1.0) for start in times)
    assert most <= LIMIT


async def test_no_log_line_names_a_phone(rig: DispatcherHarness, tmp_path_factory: pytest.TempPathFactory) -> None:
    logs = [log for log in tmp_path_factory.getbasetemp().glob("rig*/*.log")]
    written = "".join(log.read_text() for log in logs)
    assert written
    assert "49176040" not in written
    assert "wamid." not in written
