"""Our events, recorded in a real PostgreSQL in any order and any number of times."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from services.newsroom.domain.archive import derive_code
from services.newsroom.domain.drafts import DraftState, NoticeDraft
from services.newsroom.domain.feedback import FeedbackFilter
from services.newsroom.domain.outbox import PublicationState
from services.newsroom.domain.progress import BroadcastPhase
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FeedbackErased,
    FeedbackReceived,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    Problem,
)
from shared.contracts.message import Lane, Message
from shared.outcome import Dead
from shared.runtime.clock import system_clock
from tests.databases import wait_until_locked
from tests.factories.editors import CONTENT
from tests.integration.newsroom.writing_store import QUOTA, SOURCE, Store, build_started

_ENTRIES = "select code, headline, text, revision, withdrawn_at from newsroom.archive_entry"
BROADCAST = UUID(int=77)


def list_events(draft: NoticeDraft, key: str, at: datetime) -> list[tuple[Message, datetime]]:
    """Return what is told of a broadcast, in order."""
    usual: dict[str, Any] = {"source": SOURCE, "notice": draft.subject, "revision": 1}

    def after(seconds: int) -> datetime:
        return at + timedelta(seconds=seconds)

    accepted = NoticeAccepted(
        **usual, event=key, broadcast=BROADCAST, audience=3, topic="strassensperrungen", headline="K 9 gesperrt"
    )
    started = BroadcastStarted(
        **usual, broadcast=BROADCAST, topic="strassensperrungen", lane=Lane.BULK, expires_at=after(600)
    )
    return [
        (accepted, after(0)),
        (started, after(1)),
        (BroadcastProgressed(broadcast=BROADCAST, audience=None, states={"waiting": 4}), after(2)),
        (BroadcastProgressed(broadcast=BROADCAST, audience=4, states={"waiting": 1, "sent": 3}), after(3)),
        (BroadcastFinished(broadcast=BROADCAST, audience=4, states={"sent": 4}), after(4)),
    ]


async def test_events_give_the_same_in_any_order_and_any_number(store: Store) -> None:
    draft = await store.publish()
    publication = await store.find_publication(draft)
    events = list_events(draft, publication.id.hex, system_clock())
    results = set()
    for order in itertools.permutations(events):
        await store.database.fetch("update newsroom.broadcast set finished_at = null, progressed_at = null")
        async with store.database.connection() as connection:
            await connection.execute("update newsroom.broadcast set states = '{}', audience = null, started_at = null")
        for message, at in (*order, order[0]):
            await store.tell(message, at)
        status = (await store.statuses.find_all([BROADCAST]))[BROADCAST]
        assert status.phase is BroadcastPhase.FINISHED
        results.add((status.audience, tuple(status.states.items()), status.headline, status.lane, status.finished_at))
    assert results == {(4, (("sent", 4),), "K 9 gesperrt", "bulk", events[-1][1])}


async def test_a_broadcast_has_ended_though_a_later_report_came_first(store: Store) -> None:
    draft, begun = await store.publish(), system_clock()
    *earlier, end = list_events(draft, (await store.find_publication(draft)).id.hex, begun)
    receipts = BroadcastProgressed(broadcast=BROADCAST, audience=4, states={"delivered": 4})
    for message, at in (*earlier, (receipts, end[1] + timedelta(seconds=1)), end):
        await store.tell(message, at)
    status = (await store.statuses.find_all([BROADCAST]))[BROADCAST]
    assert (status.finished_at, status.states) == (end[1], {"delivered": 4})


@pytest.mark.parametrize("is_repeated_first", [False, True])
async def test_a_notice_that_is_published_again_was_accepted_when_it_was_first(
    store: Store, is_repeated_first: bool
) -> None:
    """Under another event id, such as by a system that lost the answer; its time is over by then."""
    at, planned = system_clock(), system_clock() + timedelta(hours=1)
    first = NoticeAccepted(source=SOURCE, event="1", notice="n", revision=1, broadcast=BROADCAST, scheduled_at=planned)
    again = msgspec.structs.replace(first, event="2", scheduled_at=None)
    events = [(first, at), (again, at + timedelta(days=2))]
    for message, time in reversed(events) if is_repeated_first else events:
        await store.tell(message, time)
    status = (await store.statuses.find_all([BROADCAST]))[BROADCAST]
    assert (status.accepted_at, status.scheduled_at) == (at, planned)


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("is_started_first", [True, False])
async def test_a_notice_is_in_the_archive_from_its_start_on_and_as_withdrawn_whoever_withdraws_it(
    store: Store, is_started_first: bool, is_ours: bool
) -> None:
    """Also if the event of the withdrawal comes before that of the start."""
    draft, at, event = await store.publish(), system_clock(), "of-theirs"
    publication = await store.find_publication(draft)
    if is_ours:
        withdrawal = await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
        event = (await store.find_publication(withdrawal)).id.hex
    withdrawn = NoticeAccepted(
        source=SOURCE, event=event, notice=draft.subject, revision=1, action=NoticeAction.WITHDRAWN
    )
    entry = (derive_code(publication.id), CONTENT.headline, CONTENT.text, 1)
    begun = list_events(draft, publication.id.hex, at)[:2]
    for message, time in begun if is_started_first else [(withdrawn, at)]:
        await store.tell(message, time)
    assert await store.fetch(_ENTRIES) == ([(*entry, None)] if is_started_first else [])
    for message, time in [(withdrawn, at)] if is_started_first else begun:
        await store.tell(message, time)
    assert await store.fetch(_ENTRIES) == [(*entry, at)]


@pytest.mark.parametrize("revisions", [(1, 2), (2, 1)])
async def test_an_update_by_another_system_replaces_the_entry_and_counts_for_the_next_correction(
    store: Store, revisions: tuple[int, int]
) -> None:
    draft = await store.publish()
    for revision in revisions:
        await store.tell(build_started(draft, revision), system_clock())
    assert await store.fetch("select revision, replaced_by from newsroom.archive_entry") == [(1, 2)]
    correction = await store.drafting.correct(store.ben, draft.id)
    await store.drafting.mark_newest_seen(store.ben, correction.id, 1)
    await store.drafting.publish(store.ben, correction.id, 2)
    assert (await store.find_publication(correction)).revision == 3


async def test_a_correction_replaces_its_entry(store: Store) -> None:
    draft = await store.publish()
    correction = await store.correct(draft, "Bis Freitag.")
    await store.drafting.publish(store.ben, correction.id, 2)
    for revision in (2, 1):
        await store.tell(build_started(draft, revision), system_clock())
    rows = await store.fetch("select revision, replaced_by from newsroom.archive_entry order by revision")
    assert rows == [(1, 2), (2, None)]


@pytest.mark.parametrize("is_withdrawn", [False, True])
async def test_the_archive_shows_what_counts_when_two_processes_overlap(
    store: Store, owner: asyncpg.Connection, is_withdrawn: bool
) -> None:
    """The start of a correction is held up at the first entry, while the notice is corrected again or withdrawn."""
    draft, at = await store.publish(), system_clock()
    correction = await store.correct(draft, "Bis Freitag.")
    await store.drafting.publish(store.ben, correction.id, 2)
    await store.tell(build_started(draft, 1), at)
    withdrawn = NoticeAccepted(
        source=SOURCE, event="of-theirs", notice=draft.subject, revision=2, action=NoticeAction.WITHDRAWN
    )
    second = withdrawn if is_withdrawn else build_started(draft, 3)
    async with asyncio.TaskGroup() as tasks, owner.transaction():
        await owner.execute("select from newsroom.archive_entry for update")
        for number, message in enumerate((build_started(draft, 2), second), start=1):
            tasks.create_task(store.tell(message, at))
            await wait_until_locked(store.database, number)
    rows = await store.fetch("select revision, replaced_by, withdrawn_at from newsroom.archive_entry order by revision")
    assert rows == ([(1, 2, at), (2, None, at)] if is_withdrawn else [(1, 2, None), (2, 3, None)])


async def test_a_notice_of_another_system_is_no_entry_of_ours_and_changes_none(store: Store) -> None:
    """Whatever it is called: each system chooses the ids of its own notices."""
    draft, at, theirs = await store.publish(), system_clock(), "/somebody/else"
    await store.tell(msgspec.structs.replace(build_started(draft, 1), source=theirs), at)
    assert await store.fetch("select count(*) from newsroom.archive_entry") == [(0,)]
    await store.tell(build_started(draft, 1), at)
    withdrawn = NoticeAccepted(
        source=theirs, event="k", notice=draft.subject, revision=1, action=NoticeAction.WITHDRAWN
    )
    await store.tell(withdrawn, at)
    for revision in (2, 3):
        await store.tell(msgspec.structs.replace(build_started(draft, revision), source=theirs), at)
    entry = "select revision, replaced_by, withdrawn_at from newsroom.archive_entry"
    assert await store.fetch(entry) == [(1, None, None)]


async def test_the_acceptance_may_come_before_the_answer_and_the_rejection_after_it(store: Store) -> None:
    draft = await store.publish()
    await store.accept(draft, broadcast=BROADCAST)
    await store.answer(draft)
    found = await store.find_publication(draft)
    assert (found.state, found.broadcast) == (PublicationState.ACCEPTED, BROADCAST)
    rejected = NoticeRejected(source=SOURCE, event=found.id.hex, problems=(Problem(field="id", problem="x"),))
    await store.tell(rejected, system_clock())
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED, "what became a broadcast was not rejected"


async def test_a_rejection_after_the_answer_returns_the_draft(store: Store) -> None:
    draft = await store.publish()
    await store.answer(draft)
    problems = (Problem(field="quota", problem="this system may publish 1 notices in an hour; never"),)
    event = (await store.find_publication(draft)).id.hex
    await store.tell(NoticeRejected(source=SOURCE, event=event, problems=problems), system_clock())
    assert (await store.drafts.find(draft.id)).state is DraftState.RETURNED


async def test_an_answer_to_another_system_is_none_to_ours(store: Store) -> None:
    """Each system chooses the ids of its own events; nobody keeps one from choosing ours."""
    draft, theirs = await store.publish(), "/somebody/else"
    found = await store.find_publication(draft)
    event = found.id.hex
    rejected = NoticeRejected(source=theirs, event=event, problems=(Problem(field="id", problem="x"),))
    accepted = NoticeAccepted(source=theirs, event=event, notice="n", revision=1, broadcast=BROADCAST)
    for message in (rejected, accepted):
        await store.tell(message, system_clock())
        assert await store.find_publication(draft) == found
        assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED


async def test_what_took_effect_is_published_though_the_repetition_was_refused_over_http(store: Store) -> None:
    """The answer to the first request is lost; the second one is refused, such as by a token with fewer topics."""
    draft = await store.publish()
    await store.answer(draft, QUOTA)
    assert (await store.drafts.find(draft.id)).state is DraftState.RETURNED
    await store.accept(draft, broadcast=BROADCAST)
    found = await store.find_publication(draft)
    assert (found.state, found.broadcast, found.problems) == (PublicationState.ACCEPTED, BROADCAST, ())
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED
    await store.answer(draft, QUOTA)
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED


async def test_erased_feedback_does_not_come_back_with_an_event_that_comes_later(store: Store) -> None:
    at, feedback = system_clock(), uuid4()
    await store.tell(FeedbackErased(feedback=(feedback,), at=at), at)
    await store.tell(FeedbackReceived(feedback=feedback, kind="text", at=at, text="weg"), at)
    assert (await store.statistics.summarize(FeedbackFilter())).total == 0


async def test_feedback_is_found_by_what_it_says_and_a_withdrawn_reaction_is_gone(store: Store) -> None:
    at = system_clock()
    said = [
        FeedbackReceived(feedback=uuid4(), kind="text", at=at, text="100 % gut_gemacht"),
        FeedbackReceived(feedback=uuid4(), kind="text", at=at, text="Zu spät"),
        FeedbackReceived(feedback=uuid4(), kind="rating", at=at, value="good", topic="stellen"),
        FeedbackReceived(feedback=uuid4(), kind="reaction", at=at, value="👍"),
    ]
    for message in (*said, *said):
        await store.tell(message, at)
    summary = await store.statistics.summarize(FeedbackFilter())
    assert (summary.total, summary.texts, summary.good, summary.reactions) == (4, 2, 1, {"👍": 1})
    found: Sequence[Any] = await store.statistics.list_entries(FeedbackFilter(words="0 % gut_"), 10)
    assert [each.text for each in found] == ["100 % gut_gemacht"]
    assert [each.value for each in await store.statistics.list_entries(FeedbackFilter(topic="stellen"), 10)] == ["good"]
    await store.tell(msgspec.structs.replace(said[3], value=""), at)
    assert (await store.statistics.summarize(FeedbackFilter())).reactions == {}


async def test_a_cancelled_broadcast_is_cancelled_whatever_follows(store: Store) -> None:
    at = system_clock()
    await store.tell(BroadcastCancelled(broadcast=BROADCAST, source=SOURCE, notice="n"), at)
    await store.tell(BroadcastFinished(broadcast=BROADCAST, audience=2, states={"cancelled": 2}), at)
    status = (await store.statuses.find_all([BROADCAST]))[BROADCAST]
    assert (status.phase, status.audience) == (BroadcastPhase.CANCELLED, 2)


async def test_what_is_no_event_of_ours_is_a_dead_letter(store: Store) -> None:
    assert isinstance(await store.events.handle(b"{"), Dead)
    assert isinstance(await store.events.handle(b'{"specversion": "1.0", "id": "1", "source": "/", "type": "x"}'), Dead)
