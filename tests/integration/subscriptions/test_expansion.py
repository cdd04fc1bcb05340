"""Broadcasts become pages, on a real database."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import time

import asyncpg
import msgspec
import pytest

from services.subscriptions.adapters.broadcasts import PostgresBroadcastRepository
from services.subscriptions.domain.publication import Publication
from services.subscriptions.handlers.expansion import PAGES_AHEAD, ROUNDS
from shared.contracts.dispatch import BroadcastBatch, PermittedHours
from shared.contracts.events import BroadcastCancelled, NoticeAccepted
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from shared.notices.configuration import Hours
from shared.outcome import DependencyUnavailable
from shared.runtime.background import run_in_background
from tests.factories.citizens import COUNTY, build_both, build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import publish, withdraw
from tests.servers import wait_for

PROGRESS = "select state, page, audience, read_to_end from subscriptions.broadcast order by id"
CANCEL = "select subscriptions.cancel_expansion($1, 'wrong text')"
PENDING = "select count(*) from subscriptions.pending_page"


def batches(harness: SubscriptionsHarness) -> dict[int, bytes]:
    """The pages of the one broadcast; a page that was published twice must be the same bytes."""
    pages: dict[int, bytes] = {}
    published = [each for each in harness.publisher.published if each.key in (Lane.BULK, Lane.URGENT)]
    for publication, batch in zip(published, harness.publisher.list_pages(), strict=True):
        assert pages.setdefault(batch.page, publication.body) == publication.body
    return pages


def everybody(batches: Sequence[BroadcastBatch]) -> list[int]:
    return [recipient.subscriber.int & 0xFFFFFF for batch in batches for recipient in batch.recipients]


@pytest.mark.parametrize("number", [0, 1, 100, 101, 400, 401])
async def test_each_subscriber_is_on_one_page(
    harness: SubscriptionsHarness, owner: asyncpg.Connection, number: int
) -> None:
    await subscribe_many(owner, number)
    await publish(harness)
    await harness.expand()
    pages = harness.publisher.list_pages()
    assert everybody(pages) == list(range(1, number + 1))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert pages[-1].offset + len(pages[-1].recipients) == number
    assert await harness.fetch_rows(PROGRESS) == [("expanded", len(pages), number, True)]
    assert await harness.fetch_rows(PENDING) == [(0,)]


async def test_ten_thousand_subscribers_with_a_crash_at_every_page(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 10_000)
    await publish(harness)
    crashed: set[tuple[str, str]] = set()

    def crash(moment: str, publication: Publication) -> bool:
        """Once before and once after each page."""
        crash_point = (moment, publication.message_id)
        if publication.key != Lane.BULK or crash_point in crashed:
            return False
        crashed.add(crash_point)
        return True

    harness.publisher.refuse = lambda publication: crash("before", publication)
    harness.publisher.lose = lambda publication: crash("after", publication)
    for _ in range(1_000):
        try:
            if not await harness.parts.expander.expand_next():
                break
        except DependencyUnavailable:
            continue
    assert len(batches(harness)) == 100
    assert len(crashed) == 200
    unique = {page.page: page for page in harness.publisher.list_pages()}
    assert everybody([unique[page] for page in sorted(unique)]) == list(range(1, 10_001))
    assert await harness.fetch_rows(PROGRESS) == [("expanded", 100, 10_000, True)]


async def test_who_says_stop_is_not_on_the_pages_and_the_others_carry_the_number_of_their_consent(
    harness: SubscriptionsHarness,
) -> None:
    await harness.send_texts("Start", "Stop", "Start", sender=build_both(1))
    await harness.send_texts("Start", sender=build_both(2))
    await publish(harness)
    await harness.send_texts("Stop", sender=build_both(2), start=5)
    await harness.expand()
    (page,) = harness.publisher.list_pages()
    assert [(recipient.address, recipient.sequence) for recipient in page.recipients] == [(build_both(1).phone, 3)]


async def test_a_withdrawal_ends_the_expansion(harness: SubscriptionsHarness, owner: asyncpg.Connection) -> None:
    await subscribe_many(owner, 1_000)
    await publish(harness)
    assert await harness.parts.expander.expand_next()
    with harness.publisher.failing(Lane.BULK):
        await harness.parts.expander.expand_next()
    await withdraw(harness)
    await harness.expand()
    assert len(harness.publisher.list_pages()) == 4
    assert await harness.fetch_rows(PENDING) == [(0,)]


async def test_a_withdrawal_that_drops_the_last_pages_leaves_the_audience_unread(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 150)
    await publish(harness)
    with harness.publisher.failing(Lane.BULK):
        await harness.parts.expander.expand_next()
    assert await harness.fetch_rows(PROGRESS) == [("expanding", 2, 150, True)]
    await withdraw(harness)
    assert await harness.fetch_rows(PROGRESS) == [("cancelled", 2, 150, False)]


async def test_a_cancellation_by_an_operator_is_published_until_the_broker_has_it(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """No page has reached the ledger, so nobody else can say that the broadcast has ended."""
    await subscribe_many(owner, 150)
    await publish(harness)
    (accepted,) = harness.publisher.list_messages(NoticeAccepted)
    await owner.execute(CANCEL, accepted.broadcast)
    with harness.publisher.failing(BroadcastCancelled.KEY):
        await harness.parts.expander.publish_cancellations()

    await other.parts.expander.publish_cancellations()
    await other.parts.expander.publish_cancellations()
    (cancelled,) = other.publisher.list_messages(BroadcastCancelled)
    assert (cancelled.broadcast, cancelled.source, cancelled.notice, cancelled.reason) == (
        accepted.broadcast,
        accepted.source,
        accepted.notice,
        "wrong text",
    )
    await other.expand()
    assert other.publisher.list_pages() == []


async def test_a_broadcast_that_is_withdrawn_or_already_expanded_has_no_cancellation_of_an_operator(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """The one was published with the withdrawal; the other is in the ledger, which publishes its end."""
    await subscribe_many(owner, 3)
    await publish(harness, event_id="1", notice="1")
    await withdraw(harness, notice="1")
    await publish(harness, event_id="2", notice="2")
    await harness.expand()
    await owner.execute("select subscriptions.cancel_expansion(id, 'late') from subscriptions.broadcast")
    harness.publisher.published.clear()
    await harness.parts.expander.publish_cancellations()
    assert harness.publisher.published == []


async def test_an_urgent_notice_goes_between_two_steps_of_a_bulk_one(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 500)
    await publish(harness)
    assert await harness.parts.expander.expand_next()
    await publish(harness, notice="K8", urgent=True, event_id="event-2")
    await harness.expand()
    assert [page.notice for page in harness.publisher.list_pages()] == ["L149"] * 4 + ["K8"] * 5 + ["L149"]


async def test_two_replicas_share_the_work_without_a_gap_or_a_double(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 3_000)
    await publish(harness)
    await publish(harness, notice="K8", event_id="event-2")
    await asyncio.gather(harness.expand(), other.expand())
    pages = harness.publisher.list_pages() + other.publisher.list_pages()
    for notice in ("L149", "K8"):
        mine = sorted((page for page in pages if page.notice == notice), key=lambda page: page.page)
        assert everybody(mine) == list(range(1, 3_001))


async def test_what_is_new_is_expanded_at_once_and_a_full_lane_is_waited_for(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 2_000)
    room = iter([False, True] * 30)
    harness.publisher.refuse = lambda publication: publication.key == Lane.BULK and next(room, False)
    async with run_in_background(replace(harness.parts.expander, rounds=3).run()):  # reading ahead meanwhile
        await publish(harness)
        await wait_for(lambda: harness.read_metric("kreisfunk_subscriptions_expanded_recipients_total") == 2_000)
    assert everybody(sorted(harness.publisher.list_pages(), key=lambda page: page.page)) == list(range(1, 2_001))
    assert await harness.fetch_rows(PROGRESS) == [("expanded", 20, 2_000, True)]


async def test_a_full_lane_lets_no_more_be_read_than_is_read_ahead_however_often_it_refuses(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 6_000)
    await publish(harness)
    as_deployed = replace(harness.parts.expander, pages_ahead=PAGES_AHEAD, rounds=ROUNDS)
    tried: list[str] = []

    def refuse(publication: Publication) -> bool:
        tried.append(publication.message_id)
        return publication.key == Lane.BULK

    harness.publisher.refuse = refuse
    for _ in range(5):
        with pytest.raises(DependencyUnavailable):
            await as_deployed.expand_next()
    assert await harness.fetch_rows(PENDING) == [(2 * PAGES_AHEAD,)]
    assert (len(tried), len(set(tried))) == (5 * PAGES_AHEAD, PAGES_AHEAD)
    harness.publisher.refuse = lambda _: False
    while await as_deployed.expand_next():
        pass
    assert everybody(harness.publisher.list_pages()) == list(range(1, 6_001))
    assert await harness.fetch_rows(PROGRESS) == [("expanded", 60, 6_000, True)]


async def test_a_spread_is_shared_out_among_those_who_are_there_at_the_start(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 240)
    await publish(harness, spread_minutes=120)
    assert await harness.fetch_rows("select spacing_seconds from subscriptions.broadcast") == [(30.0,)]
    with harness.publisher.failing(Lane.BULK):
        await harness.parts.expander.expand_next()
    await harness.receive(build_message("Start", sender=build_both("late")))
    await harness.expand()
    assert {page.spacing_seconds for page in harness.publisher.list_pages()} == {30.0}


async def test_hours_of_the_county_bind_what_is_not_urgent(harness: SubscriptionsHarness) -> None:
    hours = Hours(opens=time(8), closes=time(20))
    harness.use(msgspec.structs.replace(COUNTY, permitted_hours=hours))
    await publish(harness)
    await publish(harness, notice="K8", urgent=True, event_id="event-2")
    await harness.expand()
    permitted = PermittedHours(opens=time(8), closes=time(20), zone="Europe/Berlin")
    assert {page.notice: page.hours for page in harness.publisher.list_pages()} == {"L149": permitted, "K8": None}


@pytest.mark.parametrize("end", [None, ZeroDivisionError()], ids=["finished", "failed"])
async def test_a_broadcast_that_is_let_go_can_be_claimed_over_any_connection(
    harness: SubscriptionsHarness, pool: Pool, end: Exception | None
) -> None:
    """The lock of a session that goes back to the pool would keep all others away from its broadcast."""
    await publish(harness)
    broadcasts = PostgresBroadcastRepository(pool)
    with suppress(ZeroDivisionError):
        async with broadcasts.claim() as first:
            assert first is not None
            async with broadcasts.claim() as beside:
                assert beside is None
            if end:
                raise end
    async with AsyncExitStack() as connections:
        for _ in range(2):  # those that had it just now
            await connections.enter_async_context(pool.connection())
        async with broadcasts.claim() as again:
            assert again is not None
