"""The dispatcher's promises, with real processes and real faults; the endpoint's requests are the judge."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aio_pika.abc import AbstractQueue

from shared.amqp import topology
from shared.contracts.dispatch import Withdrawal
from shared.contracts.envelope import decode
from shared.contracts.events import (
    BroadcastCancelled,
    NoticeAccepted,
    ReactionLocated,
    ReactionReceived,
    SubscriberErased,
    SubscriptionEnded,
)
from shared.contracts.inbound import AccountEvent, AccountEvents
from shared.contracts.message import Lane, Message
from shared.runtime.clock import system_clock
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id
from tests.integration.dispatcher.dispatch_client import TEMPLATE
from tests.integration.dispatcher.endpoint_harness import PHONE_PREFIX, EndpointHarness, run_endpoint_harness
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, build_acceptance, build_error
from tests.servers import WAIT_TIMEOUT_SECONDS

RATE = 100
APPROVED = {"event": "APPROVED", "message_template_name": TEMPLATE, "message_template_language": "de"}
STOP_SECONDS = 1.0


@pytest.fixture(scope="module")
async def running(
    vhost: str, module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EndpointHarness]:
    """Two dispatchers; every acceptance is reported as delivered."""
    async with run_endpoint_harness(vhost, module_database, tmp_path_factory.mktemp("harness")) as harness:
        await harness.start(2, rate=RATE)
        async with harness.report_deliveries():
            yield harness


@pytest.fixture
async def harness(running: EndpointHarness) -> EndpointHarness:
    """Without faults, and with the rate as at the start."""
    running.endpoint.behave = build_acceptance
    await running.owner.execute(
        "update dispatcher.rate set per_second = ceiling, next_at = now(), paused_reason = null"
    )
    return running


async def wait_for_rows(harness: EndpointHarness, source: UUID, count: int) -> None:
    await harness.wait_for_value("select count(*) >= $2 from dispatcher.delivery where source = $1", source, count)


async def test_a_killed_replica_costs_nobody_a_message_and_doubles_none(harness: EndpointHarness) -> None:
    citizens, killed = harness.build_citizens(300), harness.services["dispatcher-1"]
    source = await harness.publish_broadcast(citizens)
    await wait_for_rows(harness, source, 100)
    killed.kill()
    await killed.wait()
    # Later messages are what proves that the lost ones were never accepted, as many as it takes on a busy machine.
    for _ in range(10):
        later = await harness.publish_broadcast(harness.build_citizens(20))
        await harness.wait_for_states({"delivered": 20}, later)
        with suppress(AssertionError):
            await harness.wait_for_states({"delivered": 300}, source, seconds=6)
            break
    await harness.wait_for_states({"delivered": 300}, source, seconds=6)
    assert harness.count_accepted(citizens) == [1] * 300
    await killed.start()


async def test_sigterm_hands_over_in_time_and_loses_nothing(harness: EndpointHarness) -> None:
    citizens = harness.build_citizens(300)
    source = await harness.publish_broadcast(citizens)
    await wait_for_rows(harness, source, 60)
    for service in harness.services.values():
        await service.stop()
        assert await service.wait() == 0
        await service.start()
    await harness.wait_for_states({"delivered": 300}, source)
    assert harness.count_accepted(citizens) == [1] * 300


async def test_an_answer_that_was_cut_off_is_found_by_its_status_and_not_sent_again(harness: EndpointHarness) -> None:
    citizens = harness.build_citizens(100)
    harness.endpoint.behave = lambda request: GraphAnswer(cut=request.number % 3 == 0)
    source = await harness.publish_broadcast(citizens)
    await harness.wait_for_states({"delivered": 100}, source)
    assert harness.count_accepted(citizens) == [1] * 100


@pytest.mark.parametrize(("code", "status"), [(131000, 500), (130429, 400)])
async def test_a_passing_error_is_tried_again_until_it_has_passed(
    harness: EndpointHarness, code: int, status: int
) -> None:
    citizens = harness.build_citizens(40)
    harness.endpoint.behave = lambda _: build_error(code, status)
    source = await harness.publish_broadcast(citizens)
    await harness.wait_for_value(
        "select count(*) > 0 from dispatcher.delivery where source = $1 and state = 'waiting'", source
    )
    harness.endpoint.behave = build_acceptance
    await harness.wait_for_states({"delivered": 40}, source)
    assert harness.count_accepted(citizens) == [1] * 40


async def test_a_paused_template_makes_its_broadcasts_wait_until_meta_releases_it(harness: EndpointHarness) -> None:
    citizens = harness.build_citizens(30)
    harness.endpoint.behave = lambda _: build_error(132015)
    source = await harness.publish_broadcast(citizens)
    await harness.wait_for_states({"waiting": 30}, source)
    harness.endpoint.behave = build_acceptance
    now = system_clock()
    approved = AccountEvent(field="message_template_status_update", value=APPROVED, at=now, received_at=now)
    await harness.send(AccountEvents(events=(approved,)), topology.INBOUND, AccountEvents.KEY)
    await harness.wait_for_states({"delivered": 30}, source)
    assert harness.count_accepted(citizens) == [1] * 30


async def test_subscriptions_is_told_whom_meta_will_not_reach(harness: EndpointHarness) -> None:
    citizens = harness.build_citizens(2)
    harness.endpoint.behave = lambda _: build_error(131050)
    source = await harness.publish_broadcast(citizens)
    await harness.wait_for_states({"failed": 2}, source)
    told = "select count(*) from dispatcher.refusal where told_at is not null and subscriber = any($1)"
    await harness.wait_for_value(told, [one.subscriber for one in citizens], value=2)


async def test_nothing_leaves_after_a_stop_and_the_confirmation_is_the_last_word(harness: EndpointHarness) -> None:
    citizens = harness.build_citizens(200)
    source = await harness.publish_broadcast(citizens)
    await wait_for_rows(harness, source, 30)
    replies = {
        await harness.request_reply(one, "Sie sind abgemeldet.", Withdrawal(subscriber=one.subscriber, sequence=1)): one
        for one in citizens[150:]
    }
    final = "select count(*) from dispatcher.delivery where source = $1 and state in ('delivered', 'suppressed')"
    await harness.wait_for_value(final, source, value=200)
    for reply in replies:
        await harness.wait_for_states({"delivered": 1}, reply)
    confirmed = {one.recipient: one.at for one in harness.endpoint.accepted if one.delivery in replies}
    own = [one for one in harness.endpoint.accepted if one.recipient in confirmed and one.delivery not in replies]
    assert len(confirmed) == 50
    assert [one for one in own if one.at > confirmed[one.recipient] + STOP_SECONDS] == []
    assert (await harness.count_states(source))["suppressed"] > 0


async def test_the_event_alone_suppresses_what_is_queued(harness: EndpointHarness) -> None:
    """One has left, another no longer wants a topic that it is not about."""
    ended, *others = harness.build_citizens(3)
    for citizen, topic in ((ended, None), (others[0], "stellen")):
        event = SubscriptionEnded(subscriber=citizen.subscriber, sequence=1, topic=topic, at=system_clock())
        await harness.send(event, topology.EVENTS, SubscriptionEnded.KEY)
        suppressed = "select exists (select from dispatcher.suppression where subscriber = $1)"
        await harness.wait_for_value(suppressed, citizen.subscriber)
    source = await harness.publish_broadcast([ended, *others])
    await harness.wait_for_states({"delivered": 2, "suppressed": 1}, source)
    assert harness.count_accepted([ended, *others]) == [0, 1, 1]


async def test_who_asks_about_a_broadcast_is_answered_and_who_wants_to_be_forgotten_is(
    harness: EndpointHarness,
) -> None:
    """What subscriptions asks: which broadcast a reaction was about, how far one is, and an erasure."""
    (citizen,) = harness.build_citizens(1)
    source, now = await harness.publish_broadcast([citizen]), system_clock()
    await harness.wait_for_states({"delivered": 1}, source)
    answers = await harness.channel.declare_queue(exclusive=True)
    for key in (ReactionLocated.KEY, BroadcastCancelled.KEY):
        await answers.bind(topology.EVENTS, key)

    (sent,) = [one for one in harness.endpoint.accepted if one.recipient == citizen.phone]
    same: dict[str, Any] = {"subscriber": citizen.subscriber, "value": "👍", "at": now}
    about = harness.index_key.compute_base_index("wamid", sent.message_id)
    for message_key in (b"of a reply", about):
        same["reaction"] = generate_id()
        reaction = ReactionReceived(about_key=message_key, broadcasts=(generate_id(), source), **same)
        await harness.send(reaction, topology.EVENTS, ReactionReceived.KEY)
    assert await receive(answers) == ReactionLocated(broadcast=source, **same)

    cancelled = BroadcastCancelled(broadcast=source, source="/x", notice="n", reason="Irrtum")
    await harness.send(cancelled, topology.EVENTS, BroadcastCancelled.KEY)
    assert await receive(answers) == cancelled
    await harness.wait_for_value("select exists (select from dispatcher.cancellation where broadcast = $1)", source)
    asked = NoticeAccepted(source="/x", event="1", notice="n again", revision=1, broadcast=source)
    await harness.send(asked, topology.EVENTS, NoticeAccepted.KEY)
    assert await receive(answers) == msgspec.structs.replace(cancelled, notice="n again")

    subscribers, addresses = (citizen.subscriber,), (citizen.address,)
    erased = SubscriberErased(erasure=generate_id(), subscribers=subscribers, addresses=addresses, at=now)
    await harness.send(erased, topology.EVENTS, SubscriberErased.KEY)
    await harness.wait_for_value("select address_index = '' from dispatcher.delivery where source = $1", source)


async def receive(queue: AbstractQueue) -> Message:
    """Wait for the next message of a queue."""
    async with queue.iterator(no_ack=True, timeout=WAIT_TIMEOUT_SECONDS) as messages:
        return decode((await anext(messages)).body)


async def test_a_reply_and_an_urgent_notice_overtake_what_is_queued(harness: EndpointHarness) -> None:
    citizens = harness.build_citizens(400)
    source = await harness.publish_broadcast(citizens)
    await wait_for_rows(harness, source, 20)
    urgent = await harness.publish_broadcast(citizens[1:2], lane=Lane.URGENT)
    reply = await harness.request_reply(citizens[0], "Guten Tag")
    await harness.wait_for_states({"delivered": 400}, source)
    phones = {one.phone for one in citizens}
    order = [one for one in harness.endpoint.requests if one.recipient in phones]
    for overtaking in (urgent, reply):
        delivery = await harness.owner.fetchval("select id from dispatcher.delivery where source = $1", overtaking)
        (place,) = [place for place, one in enumerate(order) if one.delivery == delivery]
        assert len(order) - place > 250


async def test_no_log_line_names_a_phone(harness: EndpointHarness) -> None:
    harness.endpoint.behave = lambda _: build_error(131009)
    await harness.request_reply(harness.build_citizens(1)[0], "Guten Tag")

    def read_logs() -> str:
        return "".join(log.read_text() for log in harness.folder.glob("*.log"))

    await harness.wait_until(lambda: "reply_refused" in read_logs())
    written = read_logs()
    assert PHONE_PREFIX not in written
    assert "wamid." not in written
