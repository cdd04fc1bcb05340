"""The dispatcher's promises, with real processes and real faults; the simulator's account is the judge."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from shared.amqp import topology
from shared.contracts.dispatch import Withdrawal
from shared.contracts.events import BroadcastCancelled, SubscriptionEnded
from shared.contracts.ids import moment_of
from shared.contracts.message import Lane
from tests.databases import Database
from tests.integration.dispatcher.dispatch_client import TEMPLATE, Citizen, until
from tests.integration.dispatcher.rig import LIMIT, Rig, running_rig


@pytest.fixture(scope="module")
async def running(
    vhost: str, module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Rig]:
    async with running_rig(vhost, module_database, tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture
async def rig(running: Rig) -> AsyncIterator[Rig]:
    """Without faults before and after, and with the rate as at the start."""
    await running.call("PUT", "faults", {})
    await running.books.execute("update dispatcher.rate set per_second = ceiling, next_at = now(), held_reason = null")
    yield running
    await running.call("PUT", "faults", {})


def per_citizen(messages: list[dict[str, Any]]) -> Counter[int]:
    return Counter(message["citizen"] for message in messages)


def once_each(citizens: list[Citizen]) -> Counter[int]:
    return Counter(citizen.id for citizen in citizens)


async def some_arrived(rig: Rig, source: Any, count: int) -> None:
    async def enough() -> bool:
        return sum((await rig.states(source)).values()) >= count

    await until(enough, lambda: rig.states(source))


@pytest.mark.alone
async def test_everybody_gets_a_broadcast_once_however_often_it_is_published(rig: Rig) -> None:
    citizens = await rig.citizens(250)
    source = await rig.broadcast(citizens, times=3)
    states = await rig.settled(source, 250)
    assert set(states) <= {"delivered", "read"}
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)
    assert (await rig.call("GET", "account"))["peak_1s"] <= LIMIT


async def test_a_killed_replica_costs_nobody_a_message_and_doubles_none(rig: Rig) -> None:
    citizens = await rig.citizens(300)
    source = await rig.broadcast(citizens)
    await some_arrived(rig, source, 100)
    rig.services["dispatcher-1"].kill()
    await rig.services["dispatcher-1"].wait()
    # Later messages are what proves that the lost ones were never accepted, as many as it takes on a busy machine.
    for _ in range(10):
        later = await rig.broadcast(await rig.citizens(20))
        await rig.settled(later, 20)
        with suppress(AssertionError):
            await rig.settled(source, 300, seconds=6)
            break
    await rig.settled(source, 300, seconds=6)
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)
    await rig.services["dispatcher-1"].start()


async def test_sigterm_hands_over_in_time_and_loses_nothing(rig: Rig) -> None:
    citizens = await rig.citizens(300)
    source = await rig.broadcast(citizens)
    await some_arrived(rig, source, 60)
    for name in ("dispatcher-1", "dispatcher-2"):
        await rig.services[name].stop()
        assert await rig.services[name].wait() == 0
        await rig.services[name].start()
    await rig.settled(source, 300)
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)


async def test_an_answer_that_was_cut_off_is_found_by_its_status_and_not_sent_again(rig: Rig) -> None:
    citizens = await rig.citizens(100)
    await rig.call("PUT", "faults", {"cut_after_accept_share": 0.3})
    source = await rig.broadcast(citizens)
    await rig.settled(source, 100)
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)


@pytest.mark.parametrize(("code", "status"), [(131016, 503), (131000, 500), (130429, 400)])
async def test_a_passing_error_is_tried_again_until_it_has_passed(rig: Rig, code: int, status: int) -> None:
    citizens = await rig.citizens(40)
    await rig.call("PUT", "faults", {"reject_share": 1.0, "reject_code": code, "reject_status": status})
    source = await rig.broadcast(citizens)

    async def rejected() -> bool:
        return bool((await rig.states(source)).get("waiting", 0))

    await until(rejected, lambda: rig.states(source))
    await rig.call("PUT", "faults", {})
    await rig.settled(source, 40)
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)


async def test_an_expired_token_holds_the_sender_and_costs_no_message(rig: Rig) -> None:
    citizens = await rig.citizens(5)
    await rig.call("PUT", "faults", {"reject_share": 1.0, "reject_code": 190, "reject_status": 401})
    source = await rig.broadcast(citizens)

    async def held() -> bool:
        return bool(await rig.books.fetchval("select held_reason from dispatcher.rate"))

    await until(held, lambda: rig.states(source))
    assert await rig.books.fetchval("select held_reason from dispatcher.rate") == "token expired (Meta's code 190)"
    await rig.call("PUT", "faults", {})
    await rig.books.execute("update dispatcher.rate set probe_at = now()")
    await rig.settled(source, 5)
    assert await rig.books.fetchval("select held_reason from dispatcher.rate") is None
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)


async def test_a_paused_template_makes_its_broadcasts_wait_until_meta_releases_it(rig: Rig) -> None:
    citizens = await rig.citizens(30)
    await rig.call("PUT", f"templates/{TEMPLATE}", {"status": "PAUSED"})
    source = await rig.broadcast(citizens)

    async def waits() -> bool:
        return await rig.states(source) == {"waiting": 30}

    await until(waits, lambda: rig.states(source))
    await rig.call("PUT", f"templates/{TEMPLATE}", {"status": "APPROVED"})
    await rig.settled(source, 30)
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)


async def test_a_failure_that_is_reported_later_and_may_pass_is_tried_again(rig: Rig) -> None:
    citizens = await rig.citizens(10)
    await rig.call("PUT", "faults", {"fail_share": 1.0, "fail_code": 131016})
    source = await rig.broadcast(citizens)

    async def waits() -> bool:
        return bool((await rig.states(source)).get("waiting", 0))

    await until(waits, lambda: rig.states(source))
    await rig.call("PUT", "faults", {})
    assert set(await rig.settled(source, 10)) <= {"delivered", "read"}


async def test_subscriptions_is_told_whom_meta_will_not_reach(rig: Rig) -> None:
    citizens = await rig.citizens(2)
    await rig.call("PUT", "faults", {"reject_share": 1.0, "reject_code": 131050, "reject_status": 400})
    source = await rig.broadcast(citizens)
    assert await rig.settled(source, 2) == {"failed": 2}

    async def told() -> bool:
        statement = "select count(*) from dispatcher.refusal where told_at is not null and subscriber = any($1)"
        return bool(await rig.books.fetchval(statement, [one.subscriber for one in citizens]) == 2)

    await until(told, lambda: rig.states(source))


async def test_statuses_doubled_delayed_and_shuffled_change_nothing(rig: Rig) -> None:
    citizens = await rig.citizens(150)
    faults = {"webhook_duplicate_share": 0.5, "webhook_delay_seconds": 0.5, "webhook_shuffle": True, "read_share": 1.0}
    await rig.call("PUT", "faults", faults)
    source = await rig.broadcast(citizens)

    async def all_read() -> bool:
        return await rig.states(source) == {"read": 150}

    await until(all_read, lambda: rig.states(source))
    assert per_citizen(await rig.arrived(source)) == once_each(citizens)


async def test_nothing_leaves_after_a_stop_and_the_confirmation_is_the_last_word(rig: Rig) -> None:
    citizens = await rig.citizens(200)
    leaving = citizens[150:]
    for citizen in leaving:
        await rig.call("POST", f"citizens/{citizen.id}/messages", {"text": "Stop"})
    source = await rig.broadcast(citizens)
    await some_arrived(rig, source, 30)
    replies = [
        await rig.reply(one, "Sie sind abgemeldet.", Withdrawal(subscriber=one.subscriber, sequence=1))
        for one in leaving
    ]
    await rig.settled(source, 200)
    confirmed = {(await rig.arrived(reply))[0]["citizen"]: (await rig.arrived(reply))[0] for reply in replies}
    late = [
        message
        for message in await rig.arrived(source)
        if message["citizen"] in confirmed
        and message["accepted_at"] > confirmed[message["citizen"]]["accepted_at"] + 1.0
    ]
    assert late == []
    assert (await rig.states(source)).get("suppressed", 0) > 0


async def test_the_event_alone_suppresses_what_is_queued(rig: Rig) -> None:
    citizens = await rig.citizens(3)
    ended = citizens[0]
    event = SubscriptionEnded(subscriber=ended.subscriber, sequence=1, at=moment_of(ended.subscriber))
    await rig.send(event, topology.EVENTS, SubscriptionEnded.KEY)

    async def suppressed() -> bool:
        statement = "select exists (select from dispatcher.suppression where subscriber = $1)"
        return bool(await rig.books.fetchval(statement, ended.subscriber))

    await until(suppressed, lambda: rig.states(ended.subscriber))
    source = await rig.broadcast(citizens)
    assert (await rig.settled(source, 3))["suppressed"] == 1
    assert ended.id not in per_citizen(await rig.arrived(source))


async def test_a_cancelled_broadcast_stops_where_it_is(rig: Rig) -> None:
    citizens = await rig.citizens(300)
    source = await rig.broadcast(citizens)
    await some_arrived(rig, source, 30)
    await rig.send(
        BroadcastCancelled(broadcast=source, source="/x", notice="n"), topology.EVENTS, BroadcastCancelled.KEY
    )
    states = await rig.settled(source, 300)
    assert states["cancelled"] > 0
    assert len(await rig.arrived(source)) == 300 - states["cancelled"]


async def test_what_has_expired_is_recorded_and_not_sent(rig: Rig) -> None:
    source = await rig.broadcast(await rig.citizens(5), expires_in=-1)
    assert await rig.settled(source, 5) == {"expired": 5}
    assert await rig.arrived(source) == []


async def test_a_reply_and_an_urgent_notice_overtake_what_is_queued(rig: Rig) -> None:
    citizens = await rig.citizens(400)
    asking, alarmed = citizens[0], citizens[1]
    await rig.call("POST", f"citizens/{asking.id}/messages", {"text": "Hallo"})
    source = await rig.broadcast(citizens)
    await some_arrived(rig, source, 20)
    urgent = await rig.broadcast([alarmed], lane=Lane.URGENT)
    reply = await rig.reply(asking, "Guten Tag")
    await rig.settled(source, 400)
    order = [message["sequence"] for message in await rig.arrived(source)]
    for overtaking in (urgent, reply):
        (message,) = await rig.arrived(overtaking)
        assert sum(1 for sequence in order if sequence > message["sequence"]) > 250


async def test_two_replicas_together_never_exceed_the_limit(rig: Rig) -> None:
    citizens = await rig.citizens(400)
    source = await rig.broadcast(citizens)
    await rig.settled(source, 400)
    times = sorted(message["accepted_at"] for message in await rig.arrived(source))
    most = max(sum(1 for other in times if start <= other < start + 1.0) for start in times)
    assert most <= LIMIT


async def test_no_log_line_names_a_phone(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> None:
    logs = [log for log in tmp_path_factory.getbasetemp().glob("rig*/*.log")]
    written = "".join(log.read_text() for log in logs)
    assert written
    assert "49176040" not in written
    assert "wamid." not in written
