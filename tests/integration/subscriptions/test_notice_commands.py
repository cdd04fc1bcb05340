"""One event, one answer: repeats, quotas and sequences, on a real database."""

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

from services.subscriptions.domain.county import County
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.quotas import SILENT_EVENTS
from shared.amqp.connection import HEARTBEAT_INTERVAL_SECONDS
from shared.amqp.consumer import MAX_ATTEMPTS
from shared.contracts.envelope import decode
from shared.contracts.events import NoticeAccepted, NoticeAction, NoticeRejected
from shared.contracts.notices import NoticePublished, NoticeUpdated
from shared.notices.configuration import System
from shared.outcome import DependencyUnavailable, Done, Outcome, Rejected, RetryLater
from tests.factories.citizens import COUNTY, NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import (
    EXPIRY,
    LOGIN,
    NOTICE,
    SOURCE,
    build_cloud_event,
    handle,
    publish,
    withdraw,
)

ROADS = System(name="strassen", sources=("/strassen",), topics=("strassensperrungen",), manages=(SOURCE,))
EVENTS = "select event, system, counts, urgent from subscriptions.notice_event order by handled_at, event"
BROADCASTS = "select notice, revision, state from subscriptions.broadcast order by notice, revision"


def problems(harness: SubscriptionsHarness) -> dict[str, str]:
    """Return those of the last rejection."""
    return {problem.field: problem.problem for problem in harness.publisher.list_messages(NoticeRejected)[-1].problems}


def answers(harness: SubscriptionsHarness) -> list[Publication]:
    return [each for each in harness.publisher.published if each.key in ("notice.accepted", "notice.rejected")]


def with_quotas(hour: int = 100, day: int = 100, urgent: int = 100) -> County:
    system, *others = COUNTY.systems
    limited = msgspec.structs.replace(system, notices_per_hour=hour, notices_per_day=day, urgent_per_day=urgent)
    return msgspec.structs.replace(COUNTY, systems=(limited, *others))


def with_systems(*systems: System) -> County:
    return msgspec.structs.replace(COUNTY, systems=(*COUNTY.systems, *systems))


UPDATE = build_cloud_event(NoticeUpdated.TYPE, NOTICE | {"revision": 2}, event_id="event-2")
FOLLOW_UP = build_cloud_event(NoticePublished.TYPE, NOTICE | {"follows": "L149"}, event_id="event-3", subject="K8")


async def test_a_repeated_event_is_answered_by_the_same_bytes_and_makes_no_second_broadcast(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    assert await publish(harness) == Done()
    other.now = harness.now + timedelta(hours=1)
    assert await publish(other) == Done()
    assert [each.body for each in answers(other)] == [each.body for each in answers(harness)]
    assert other.publisher.published == harness.publisher.published
    assert len(await harness.fetch_rows(BROADCASTS)) == 1
    assert other.read_metric("kreisfunk_subscriptions_notices_total", result="repeated") == 1


async def test_a_repeat_is_answered_even_if_by_now_it_would_be_too_late(harness: SubscriptionsHarness) -> None:
    scheduled = (harness.now + timedelta(hours=1)).isoformat()
    await publish(harness, scheduled_at=scheduled)
    harness.now = EXPIRY + timedelta(days=2)
    assert await publish(harness, scheduled_at=scheduled) == Done()
    first, again = answers(harness)
    assert first == again


async def test_another_way_of_writing_the_same_event_is_a_repeat(harness: SubscriptionsHarness) -> None:
    await publish(harness)
    berlin = EXPIRY.astimezone(ZoneInfo("Europe/Berlin")).isoformat()
    body = build_cloud_event(NoticePublished.TYPE, NOTICE | {"urgent": False, "link": None}, expirytime=berlin)
    passed_on = msgspec.json.decode(body) | {"kreisfunksystem": LOGIN, "time": "2026-11-20T12:34:56Z"}
    assert await handle(harness, msgspec.json.encode(passed_on), login="notices") == Done()
    assert len(answers(harness)) == 2
    assert len({each.body for each in answers(harness)}) == 1


@pytest.mark.parametrize("change", [{"text": "Etwas anderes."}, {"notice": "K8"}, {"expirytime": NOON + timedelta(1)}])
async def test_the_same_id_for_something_else_is_rejected(
    harness: SubscriptionsHarness, change: dict[str, object]
) -> None:
    await publish(harness)
    assert isinstance(await publish(harness, **change), Rejected)  # type: ignore[arg-type] # some are attributes
    assert set(problems(harness)) == {"id"}
    assert len(await harness.fetch_rows(BROADCASTS)) == 1


async def test_a_rejected_id_may_be_used_again_when_it_is_mended(harness: SubscriptionsHarness) -> None:
    assert isinstance(await publish(harness, topic="wetter"), Rejected)
    assert await publish(harness) == Done()
    assert await harness.fetch_rows(EVENTS) == [("event-1", LOGIN, True, False)]


async def test_the_same_event_at_two_replicas_at_once_is_one_broadcast(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    outcomes = await asyncio.gather(*(publish(each) for each in (harness, other) for _ in range(5)))
    assert set(outcomes) == {Done()}
    assert len({each.body for each in (*answers(harness), *answers(other))}) == 1
    assert len(await harness.fetch_rows(BROADCASTS)) == 1


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("step", range(3))
async def test_a_crash_between_any_two_steps_is_healed_by_the_redelivery(
    harness: SubscriptionsHarness, step: int, lost: bool
) -> None:
    """An update that cancels, is accepted and starts: three publications after the commit."""
    await publish(harness)
    harness.publisher.published.clear()
    seen: list[Publication] = []

    def crash(publication: Publication) -> bool:
        seen.append(publication)
        return len(seen) == step + 1

    harness.publisher.refuse, harness.publisher.lose = (lambda _: False, crash) if lost else (crash, lambda _: False)
    with pytest.raises(DependencyUnavailable):
        await publish(harness, event_id="event-2", revision=2)
    harness.publisher.refuse = harness.publisher.lose = lambda _: False
    assert await publish(harness, event_id="event-2", revision=2) == Done()
    unique = {each.message_id: each for each in harness.publisher.published}
    assert [each.key for each in unique.values()] == ["broadcast.cancelled", "notice.accepted", "broadcast.started"]
    assert all(unique[each.message_id] == each for each in harness.publisher.published)
    assert await harness.fetch_rows(BROADCASTS) == [("L149", 1, "cancelled"), ("L149", 2, "expanding")]


async def test_notices_of_two_systems_with_the_same_subject_do_not_collide(harness: SubscriptionsHarness) -> None:
    harness.use(with_systems(ROADS))
    assert await publish(harness) == Done()
    assert await publish(harness, source="/strassen", login="strassen") == Done()
    assert await withdraw(harness) == Done()
    states = "select source, state from subscriptions.broadcast order by source"
    assert await harness.fetch_rows(states) == [(SOURCE, "cancelled"), ("/strassen", "expanding")]


async def test_only_the_owner_and_who_manages_its_source_change_a_notice(harness: SubscriptionsHarness) -> None:
    stranger = msgspec.structs.replace(ROADS, manages=())
    harness.use(with_systems(stranger))
    await publish(harness)
    assert isinstance(await publish(harness, event_id="2", revision=2, login="strassen"), Rejected)
    assert set(problems(harness)) == {"source"}
    harness.use(with_systems(ROADS))
    assert await publish(harness, event_id="2", revision=2, login="strassen") == Done()
    assert isinstance(await publish(harness, event_id="3", notice="new", login="strassen"), Rejected)


async def sequence(harness: SubscriptionsHarness, *steps: str) -> list[str]:
    """Return the answer to each step: the action, or the field that is wrong."""
    for number, step in enumerate(steps):
        event_id = f"step-{number}"
        match step.split():
            case ["publish", *text]:
                await publish(harness, event_id=event_id, **({"text": text[0]} if text else {}))
            case ["update", revision, *text]:
                changes = {"text": text[0]} if text else {}
                await publish(harness, event_id=event_id, revision=int(revision), **changes)
            case _:
                await withdraw(harness, event_id=event_id)
    said = [decode(each.body) for each in answers(harness)]
    return [each.action if isinstance(each, NoticeAccepted) else each.problems[0].field for each in said]  # type: ignore[attr-defined] # the other is a rejection


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("publish", "publish"), ["published", "published"]),
        (("publish", "publish other"), ["published", "subject"]),
        (("publish", "update 2", "update 2", "update 3"), ["published", "updated", "updated", "updated"]),
        (("publish", "update 3", "update 2", "publish"), ["published", "updated", "revision", "subject"]),
        (("publish", "update 3", "update 3 other"), ["published", "updated", "revision"]),
        (("update 2", "publish", "update 2"), ["revision", "published", "updated"]),
        (("publish", "withdraw", "withdraw"), ["published", "withdrawn", "withdrawn"]),
        (("publish", "withdraw", "publish", "update 2"), ["published", "withdrawn", "subject", "subject"]),
        (("withdraw", "publish"), ["withdrawn", "subject"]),
    ],
)
async def test_each_sequence_has_a_defined_answer(
    harness: SubscriptionsHarness, steps: tuple[str, ...], expected: list[str]
) -> None:
    assert await sequence(harness, *steps) == expected


async def test_a_withdrawal_is_answered_with_the_newest_revision(harness: SubscriptionsHarness) -> None:
    await publish(harness)
    await publish(harness, event_id="event-2", revision=7)
    await withdraw(harness, event_id="gone")
    accepted = harness.publisher.list_messages(NoticeAccepted)[-1]
    assert (accepted.event, accepted.action, accepted.revision, accepted.broadcast) == (
        "gone",
        NoticeAction.WITHDRAWN,
        7,
        None,
    )


@pytest.mark.parametrize(
    ("event", "broadcasts"),
    [
        (UPDATE, [("L149", 1, "cancelled"), ("L149", 2, "expanding")]),
        (FOLLOW_UP, [("K8", 1, "expanding"), ("L149", 1, "expanding")]),
    ],
    ids=["update", "follow-up"],
)
async def test_what_overtakes_its_notice_waits_for_it(
    harness: SubscriptionsHarness, event: bytes, broadcasts: list[tuple[object, ...]]
) -> None:
    for attempt in (1, 2):
        assert isinstance(await handle(harness, event, attempt=attempt), RetryLater)
    assert harness.publisher.published == []
    await publish(harness)
    assert await handle(harness, event, attempt=3) == Done()
    assert await harness.fetch_rows(BROADCASTS) == broadcasts


@pytest.mark.parametrize("event", [UPDATE, FOLLOW_UP], ids=["update", "follow-up"])
async def test_it_waits_longer_than_a_broker_takes_to_notice_a_dead_replica_and_then_gets_an_answer(
    harness: SubscriptionsHarness, event: bytes
) -> None:
    waited = 0.0
    for attempt in range(1, MAX_ATTEMPTS + 1):
        outcome = await handle(harness, event, attempt=attempt)
        if isinstance(outcome, Rejected):
            break
        assert isinstance(outcome, RetryLater)
        waited += outcome.seconds
    assert isinstance(outcome, Rejected)
    assert waited > 3 * HEARTBEAT_INTERVAL_SECONDS


async def test_the_hourly_quota_says_when_it_goes_on(harness: SubscriptionsHarness) -> None:
    harness.use(with_quotas(hour=2))
    for number in range(2):
        assert await publish(harness, event_id=f"{number}", notice=f"{number}") == Done()
        harness.now += timedelta(minutes=10)
    assert isinstance(await publish(harness, event_id="3", notice="3"), Rejected)
    again = (NOON + timedelta(seconds=1, hours=1)).isoformat(timespec="seconds")
    assert problems(harness) == {"quota": f"this system may publish 2 notices in an hour; the next one from {again}"}
    harness.now = NOON + timedelta(hours=1, seconds=1)
    assert await publish(harness, event_id="3", notice="3") == Done()
    assert isinstance(await publish(harness, event_id="4", notice="4"), Rejected)


async def test_updates_count_and_repeats_withdrawals_and_rejections_do_not(harness: SubscriptionsHarness) -> None:
    harness.use(with_quotas(day=2))
    await publish(harness)
    for _ in range(3):
        await publish(harness)
        await publish(harness, event_id="same content")
        await publish(harness, event_id="wrong", topic="wetter")
    assert await publish(harness, event_id="2", revision=2) == Done()
    assert isinstance(await publish(harness, event_id="3", revision=3), Rejected)
    assert "2 notices in 24 hours" in problems(harness)["quota"]
    assert await withdraw(harness) == Done()


async def test_urgent_ones_have_a_quota_of_their_own(harness: SubscriptionsHarness) -> None:
    harness.use(with_quotas(urgent=1))
    assert await publish(harness, event_id="1", notice="1", urgent=True) == Done()
    assert isinstance(await publish(harness, event_id="2", notice="2", urgent=True), Rejected)
    assert set(problems(harness)) == {"urgent"}
    assert await publish(harness, event_id="2", notice="2") == Done()
    harness.use(with_quotas(urgent=0))
    assert isinstance(await publish(harness, event_id="3", notice="3", urgent=True), Rejected)
    assert problems(harness)["urgent"].endswith("0 urgent notices in 24 hours; never")


async def test_a_quota_holds_for_all_replicas_together(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    county = with_quotas(hour=5)
    harness.use(county)
    other.use(county)
    outcomes: list[Outcome] = await asyncio.gather(
        *(publish(each, event_id=f"{number}", notice=f"{number}") for number in range(8) for each in (harness, other))
    )
    assert sum(outcome == Done() for outcome in outcomes) == 10  # each of the five at both replicas
    assert len(await harness.fetch_rows(BROADCASTS)) == 5


# Events that send nothing are stored, too: so a system may send only so many of them.
MANY_SILENT = """
insert into subscriptions.notice_event (source, event, digest, system, counts, urgent, publications, handled_at)
select $1, 'silent ' || n, '\\x01', $2, false, false, '\\x90', $4 from generate_series(1, $3::int) n
"""
NOTICES = "select notice from subscriptions.notice order by notice"


@pytest.fixture
async def full(harness: SubscriptionsHarness, owner: asyncpg.Connection) -> SubscriptionsHarness:
    """A notice was published, and then only events that sent nothing, until the quota was used up."""
    harness.use(with_quotas(day=5))
    assert await publish(harness) == Done()
    await owner.execute(MANY_SILENT, SOURCE, LOGIN, SILENT_EVENTS + 5, harness.now)
    harness.now += timedelta(minutes=1)
    return harness


async def test_withdrawals_of_what_nobody_knows_and_repeats_under_new_ids_have_a_quota(
    full: SubscriptionsHarness,
) -> None:
    again = (NOON + timedelta(seconds=1, hours=24)).isoformat(timespec="seconds")
    said = (
        f"this system may publish {SILENT_EVENTS + 5} events that send nothing in 24 hours; the next one from {again}"
    )
    assert isinstance(await withdraw(full, "unknown"), Rejected)
    assert problems(full) == {"quota": said}
    assert isinstance(await publish(full, event_id="the same content"), Rejected)
    assert problems(full) == {"quota": said}
    assert await full.fetch_rows(NOTICES) == [("L149",)]
    full.now += timedelta(hours=24)
    assert await withdraw(full, "unknown") == Done()


async def test_a_notice_can_always_be_withdrawn_once_and_others_published(full: SubscriptionsHarness) -> None:
    assert await publish(full, event_id="another", notice="another") == Done()
    assert await withdraw(full) == Done()
    assert await full.fetch_rows("select state from subscriptions.broadcast where notice = 'L149'") == [("cancelled",)]
    assert isinstance(await withdraw(full, event_id="once more"), Rejected)
    assert set(problems(full)) == {"quota"}


async def test_the_same_event_again_is_answered_although_the_quota_is_used_up(full: SubscriptionsHarness) -> None:
    assert await publish(full) == Done()
