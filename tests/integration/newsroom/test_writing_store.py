"""Drafts, outbox and events in a real PostgreSQL, with the rights of the newsroom's role."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from services.newsroom.adapters.broadcasts import PostgresBroadcastStatuses, PostgresEventRecords
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.adapters.feedback import PostgresFeedbackLog
from services.newsroom.adapters.publications import PostgresPublicationRepository
from services.newsroom.domain.accounts import Account, Role
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.archive import derive_code
from services.newsroom.domain.drafts import DraftConflict, DraftRefused, DraftState, NoticeDraft
from services.newsroom.domain.feedback import FeedbackFilter
from services.newsroom.domain.outbox import PublicationState, PublishAnswer
from services.newsroom.domain.progress import BroadcastPhase
from services.newsroom.handlers.assessing import DraftAssessor
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.event_consumer import NewsroomEventHandler
from shared.contracts.envelope import encode
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FeedbackReceived,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    Problem,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.message import Lane, Message
from shared.database.pool import Database, open_database
from shared.outcome import Dead, Done
from shared.runtime.clock import system_clock
from tests.databases import FreshDatabase
from tests.unit.newsroom.test_approval import ROUTINE
from tests.unit.newsroom.writing_harness import CONTENT, COUNTY, FORECAST, SYSTEM, ScriptedNoticesApi

ROLE = "kreisfunk_newsroom"
SOURCE = SYSTEM.sources[0]


@dataclass(frozen=True, kw_only=True)
class Store:
    """One replica of the newsroom without its pages, and two people."""

    database: Database
    drafts: PostgresDraftRepository
    publications: PostgresPublicationRepository
    drafting: DraftingService
    events: NewsroomEventHandler
    statuses: PostgresBroadcastStatuses
    feedback: PostgresFeedbackLog
    anna: Account
    ben: Account

    async def write(self) -> NoticeDraft:
        content = msgspec.structs.replace(CONTENT, expires_at=system_clock() + timedelta(days=1))
        return await self.drafting.create(self.anna, content)

    async def publish(self) -> NoticeDraft:
        draft = await self.write()
        return await self.drafting.publish(self.anna, draft.id, 1)

    async def find_publication(self, draft: NoticeDraft) -> Any:
        found = await self.publications.find_newest(draft.id)
        assert found is not None
        return found

    async def tell(self, message: Message, at: datetime, event_id: str | None = None) -> None:
        body = encode(message, event_id=event_id or uuid4().hex, source="/kreisfunk/tests", time=at)
        assert await self.events.handle(body) == Done()

    async def fetch(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.database.fetch(query, *arguments)]


async def add_account(owner: asyncpg.Connection, name: str) -> Account:
    account = Account(
        id=uuid4(),
        login=f"{name}-{uuid4().hex[:6]}",
        name=name,
        person=uuid4(),
        roles=frozenset({Role.EDITOR, Role.APPROVER}),
    )
    await owner.execute(
        "insert into newsroom.account (id, login, name, person, roles) values ($1, $2, $3, $4, $5)",
        *(account.id, account.login, account.name, account.person, ["editor", "approver"]),
    )
    return account


def build_drafting(drafts: PostgresDraftRepository, rules: ApprovalRules) -> DraftingService:
    assessor = DraftAssessor(
        drafts=drafts,
        notices=ScriptedNoticesApi(forecast=FORECAST),
        rules=rules,
        configuration=COUNTY,
        system=SYSTEM,
        clock=system_clock,
        make_id=uuid4,
    )
    return DraftingService(
        drafts=drafts, assessor=assessor, clock=system_clock, make_id=uuid4, handed_over=lambda: None
    )


@pytest.fixture
async def store(database: FreshDatabase) -> AsyncIterator[Store]:
    owner = await asyncpg.connect(database.url)
    try:
        async with open_database(database.build_role_url(ROLE), password=None, name="test", size=10) as opened:
            drafts = PostgresDraftRepository(opened)
            # At any hour, so that a test at night is no other.
            rules = msgspec.structs.replace(ROUTINE, night_begins=ROUTINE.night_ends)
            yield Store(
                database=opened,
                drafts=drafts,
                publications=PostgresPublicationRepository(opened),
                drafting=build_drafting(drafts, rules),
                events=NewsroomEventHandler(records=PostgresEventRecords(opened, SOURCE)),
                statuses=PostgresBroadcastStatuses(opened),
                feedback=PostgresFeedbackLog(opened),
                anna=await add_account(owner, "anna"),
                ben=await add_account(owner, "ben"),
            )
    finally:
        await owner.close()


async def test_a_draft_comes_back_as_it_was_written(store: Store) -> None:
    draft = await store.write()
    found = await store.drafts.find(draft.id)
    assert (found.content, found.created_by, found.newest.author) == (
        draft.content,
        draft.created_by,
        draft.newest.author,
    )


async def test_of_two_who_save_at_once_one_is_told_of_the_other(store: Store) -> None:
    draft = await store.write()
    texts = [msgspec.structs.replace(draft.content, text=f"Bis Tag {number}.") for number in range(8)]
    results = await asyncio.gather(
        *(store.drafting.save(store.ben, draft.id, 1, text) for text in texts), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["DraftConflict"] * 7 + ["NoticeDraft"]
    versions = await store.drafts.list_versions(draft.id)
    assert [each.version for each in versions] == [2, 1]
    assert versions[1].content == draft.content


async def test_however_often_somebody_clicks_it_is_handed_over_once(store: Store) -> None:
    draft = await store.write()
    results = await asyncio.gather(
        *(store.drafting.publish(store.anna, draft.id, 1) for _ in range(8)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["DraftRefused"] * 7 + ["NoticeDraft"]
    assert await store.fetch("select count(*) from newsroom.publication") == [(1,)]
    assert await store.fetch("select count(*) from newsroom.audit where action = 'draft.published'") == [(1,)]


async def test_corrections_at_once_get_revisions_of_their_own(store: Store) -> None:
    first = await store.publish()
    corrections = [await store.drafting.correct(store.ben, first.id) for _ in range(5)]
    await asyncio.gather(*(store.drafting.publish(store.ben, each.id, 1) for each in corrections))
    assert await store.fetch("select revision from newsroom.publication order by revision") == [
        (number,) for number in range(1, 7)
    ]
    revisions = "select (body -> 'data' ->> 'revision')::int from newsroom.publication order by 1 nulls first"
    assert await store.fetch(revisions) == [(None,), *((number,) for number in range(2, 7))]


async def test_an_approval_and_an_edit_at_once_never_send_unread_words(store: Store) -> None:
    for _ in range(5):
        draft = await store.write()
        await store.drafting.submit(store.anna, draft.id, 1)
        changed = msgspec.structs.replace(draft.content, text="Anders.")
        await asyncio.gather(
            store.drafting.approve(store.ben, draft.id, 1),
            store.drafting.save(store.anna, draft.id, 1, changed),
            return_exceptions=True,
        )
        found = await store.drafts.find(draft.id)
        assert (found.state, found.version) in ((DraftState.DRAFT, 2), (DraftState.APPROVED, 1))


async def test_a_failure_in_the_middle_stores_nothing(store: Store) -> None:
    draft = await store.write()
    before = await store.fetch("select count(*) from newsroom.audit")

    def fail(found: NoticeDraft) -> None:
        raise DraftRefused("Nein.")

    with pytest.raises(DraftRefused):
        await store.drafts.change(draft.id, fail)
    assert await store.drafts.find(draft.id) == await store.drafts.find(draft.id)
    assert await store.fetch("select count(*) from newsroom.audit") == before


async def test_the_outbox_gives_each_notice_its_acts_in_order(store: Store) -> None:
    first = await store.publish()
    correction = await store.drafting.correct(store.ben, first.id)
    await store.drafting.publish(store.ben, correction.id, 1)
    other = await store.publish()
    now = system_clock()
    assert [each.draft for each in await store.publications.list_due(now, 10)] == [first.id, other.id]
    publication = await store.find_publication(first)
    await store.publications.record_failure(publication.id, now + timedelta(seconds=30))
    assert [each.draft for each in await store.publications.list_due(now, 10)] == [other.id]
    await store.publications.record_answer(publication.id, PublishAnswer(status=202, event="/events/1"), now)
    assert {each.draft for each in await store.publications.list_due(now, 10)} == {correction.id, other.id}


async def test_a_rejection_returns_the_draft_with_its_problems(store: Store) -> None:
    draft = await store.publish()
    problem = Problem(field="quota", problem="this system may publish 1 notices in an hour; never")
    publication = await store.find_publication(draft)
    await store.publications.record_answer(publication.id, PublishAnswer(status=422, errors=(problem,)), system_clock())
    assert (await store.drafts.find(draft.id)).state is DraftState.RETURNED
    found = await store.find_publication(draft)
    assert (found.state, found.problems) == (PublicationState.REJECTED, (problem,))
    again = await store.drafting.publish(store.anna, draft.id, 1)
    assert again.state is DraftState.PUBLISHED
    assert (await store.find_publication(draft)).key != publication.key


BROADCAST = UUID(int=77)


def list_events(draft: NoticeDraft, key: str, at: datetime) -> list[tuple[Message, datetime]]:
    """What is told of a broadcast, in order."""
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
    events = list_events(draft, publication.key, system_clock())
    results = set()
    for order in itertools.permutations(events):
        await store.database.fetch("update newsroom.broadcast set finished_at = null, progressed_at = null")
        async with store.database.connection() as connection:
            await connection.execute("update newsroom.broadcast set states = '{}', audience = null, started_at = null")
        for message, at in (*order, order[0]):
            await store.tell(message, at)
        (status,) = await store.statuses.find_all([BROADCAST])
        assert status.phase is BroadcastPhase.FINISHED
        results.add((status.audience, tuple(status.states.items()), status.headline, status.lane, status.finished_at))
    assert results == {(4, (("sent", 4),), "K 9 gesperrt", "bulk", events[-1][1])}


async def test_a_started_notice_of_ours_is_in_the_archive_until_it_is_withdrawn(store: Store) -> None:
    draft = await store.publish()
    publication = await store.find_publication(draft)
    at = system_clock()
    for message, time in list_events(draft, publication.key, at)[:2]:
        await store.tell(message, time)
    entry = "select code, headline, text, revision, withdrawn_at is not null from newsroom.archive_entry"
    code = derive_code(publication.id)
    assert await store.fetch(entry) == [(code, CONTENT.headline, CONTENT.text, 1, False)]
    withdrawal = await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    key = (await store.find_publication(withdrawal)).key
    withdrawn = NoticeAccepted(
        source=SOURCE, event=key, notice=draft.subject, revision=1, action=NoticeAction.WITHDRAWN
    )
    await store.tell(withdrawn, at)
    assert await store.fetch(entry) == [(code, CONTENT.headline, CONTENT.text, 1, True)]


async def test_a_notice_withdrawn_before_it_started_is_in_the_archive_as_withdrawn(store: Store) -> None:
    draft = await store.publish()
    publication = await store.find_publication(draft)
    withdrawal = await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    key, at = (await store.find_publication(withdrawal)).key, system_clock()
    withdrawn = NoticeAccepted(
        source=SOURCE, event=key, notice=draft.subject, revision=1, action=NoticeAction.WITHDRAWN
    )
    await store.tell(withdrawn, at)
    for message, time in list_events(draft, publication.key, at)[:2]:
        await store.tell(message, time)
    assert await store.fetch("select withdrawn_at is not null from newsroom.archive_entry") == [(True,)]


async def test_a_correction_replaces_its_entry(store: Store) -> None:
    draft = await store.publish()
    correction = await store.drafting.correct(store.ben, draft.id)
    await store.drafting.publish(store.ben, correction.id, 1)
    for revision in (2, 1):
        started = BroadcastStarted(
            broadcast=uuid4(),
            source=SOURCE,
            notice=draft.subject,
            revision=revision,
            topic="strassensperrungen",
            lane=Lane.BULK,
            expires_at=system_clock(),
        )
        await store.tell(started, system_clock())
    rows = await store.fetch("select code, revision, replaced_by from newsroom.archive_entry order by revision")
    assert [(revision, replaced) for _, revision, replaced in rows] == [(1, rows[1][0]), (2, None)]


async def test_a_notice_of_another_system_is_no_entry_of_ours(store: Store) -> None:
    draft = await store.publish()
    (_, (started, at), *_) = list_events(draft, "k", system_clock())
    assert isinstance(started, BroadcastStarted)
    await store.tell(msgspec.structs.replace(started, source="/somebody/else"), at)
    assert await store.fetch("select count(*) from newsroom.archive_entry") == [(0,)]


async def test_the_acceptance_may_come_before_the_answer_and_the_rejection_after_it(store: Store) -> None:
    draft = await store.publish()
    publication, at = await store.find_publication(draft), system_clock()
    await store.tell(list_events(draft, publication.key, at)[0][0], at)
    assert (await store.find_publication(draft)).broadcast == BROADCAST
    await store.publications.record_answer(publication.id, PublishAnswer(status=202, event="/events/1"), at)
    found = await store.find_publication(draft)
    assert (found.state, found.broadcast) == (PublicationState.ACCEPTED, BROADCAST)
    rejected = NoticeRejected(source=SOURCE, event=publication.key, problems=(Problem(field="id", problem="x"),))
    await store.tell(rejected, at)
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED, "what became a broadcast was not rejected"


async def test_a_rejection_after_the_answer_returns_the_draft(store: Store) -> None:
    draft = await store.publish()
    publication, at = await store.find_publication(draft), system_clock()
    await store.publications.record_answer(publication.id, PublishAnswer(status=202, event="/events/1"), at)
    problems = (Problem(field="quota", problem="this system may publish 1 notices in an hour; never"),)
    await store.tell(NoticeRejected(source=SOURCE, event=publication.key, problems=problems), at)
    assert (await store.drafts.find(draft.id)).state is DraftState.RETURNED


async def test_a_repeated_event_is_counted_once(store: Store) -> None:
    at = datetime.fromisoformat("2026-11-25T11:00:00+00:00")
    start = SubscriptionStarted(subscriber=uuid4(), sequence=1, topics=("stellen", "baustellen"), at=at)
    for _ in range(3):
        await store.tell(start, at, "start-1")
    await store.tell(SubscriptionEnded(subscriber=uuid4(), sequence=2, at=at), at, "end-1")
    rows = await store.fetch("select topic, started, ended from newsroom.subscription_day order by topic")
    assert rows == [("", 1, 1), ("baustellen", 1, 0), ("stellen", 1, 0)]


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
    summary = await store.feedback.summarize(FeedbackFilter())
    assert (summary.total, summary.texts, summary.good, summary.reactions) == (4, 2, 1, {"👍": 1})
    found: Sequence[Any] = await store.feedback.list_entries(FeedbackFilter(words="0 % gut_"), 10)
    assert [each.text for each in found] == ["100 % gut_gemacht"]
    assert [each.value for each in await store.feedback.list_entries(FeedbackFilter(topic="stellen"), 10)] == ["good"]
    await store.tell(msgspec.structs.replace(said[3], value=""), at)
    assert (await store.feedback.summarize(FeedbackFilter())).reactions == {}


async def test_a_cancelled_broadcast_is_cancelled_whatever_follows(store: Store) -> None:
    at = system_clock()
    await store.tell(BroadcastCancelled(broadcast=BROADCAST, source=SOURCE, notice="n"), at)
    await store.tell(BroadcastFinished(broadcast=BROADCAST, audience=2, states={"cancelled": 2}), at)
    (status,) = await store.statuses.find_all([BROADCAST])
    assert (status.phase, status.audience) == (BroadcastPhase.CANCELLED, 2)


async def test_broadcasts_are_listed_newest_first_and_page_by_page(store: Store) -> None:
    at = system_clock()
    for number in range(5):
        accepted = NoticeAccepted(
            source=SOURCE, event=f"e{number}", notice=f"n{number}", revision=1, broadcast=UUID(int=number + 1)
        )
        await store.tell(accepted, at + timedelta(seconds=number))
    first = await store.statuses.list_newest(3)
    assert [each.notice for each in first] == ["n4", "n3", "n2"]
    assert [each.notice for each in await store.statuses.list_newest(3, first[-1].accepted_at)] == ["n1", "n0"]


async def test_what_is_no_event_of_ours_is_a_dead_letter(store: Store) -> None:
    assert isinstance(await store.events.handle(b"{"), Dead)
    assert isinstance(await store.events.handle(b'{"specversion": "1.0", "id": "1", "source": "/", "type": "x"}'), Dead)


@pytest.mark.parametrize("table", ["draft_version", "decision", "audit"])
@pytest.mark.parametrize("act", ["delete from newsroom.{}", "update newsroom.{} set {} = {}"])
async def test_nobody_changes_what_was_said(store: Store, table: str, act: str) -> None:
    await store.publish()
    column = {"draft_version": "version", "decision": "reason", "audit": "action"}[table]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await store.database.fetch(act.format(table, column, column))


async def test_a_conflict_is_told_to_who_saw_an_older_version(store: Store) -> None:
    draft = await store.write()
    await store.drafting.save(store.ben, draft.id, 1, msgspec.structs.replace(draft.content, text="Anders."))
    with pytest.raises(DraftConflict):
        await store.drafting.save(store.anna, draft.id, 1, msgspec.structs.replace(draft.content, text="Noch anders."))
