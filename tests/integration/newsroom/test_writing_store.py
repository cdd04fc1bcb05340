"""Drafts and the outbox in a real PostgreSQL: nobody overwrites, nothing is sent twice, every version stays."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from services.newsroom.adapters.publications import COUNT_WAITING
from services.newsroom.adapters.sending_control import MAX_TRIALS_PER_HOUR, PostgresSendingControl
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.audit import Act
from services.newsroom.domain.drafts import DraftRefused, DraftState, NoticeDraft
from services.newsroom.domain.outbox import PublicationState
from shared.contracts.events import BroadcastCancelled, NoticeAction, Problem
from shared.runtime.clock import system_clock
from tests.factories.editors import CONTENT
from tests.harness.ledger_rows import set_up_number
from tests.harness.writing import add_broadcast
from tests.integration.newsroom.writing_store import QUOTA, SOURCE, Store, add_account, build_drafting


@pytest.fixture
async def small_budget(owner: asyncpg.Connection) -> asyncpg.Connection:
    """The owner's connection to a database where 25 messages may be sent in a month."""
    await set_up_number(owner)
    await owner.execute("update dispatcher.rate set messages_a_month = 25")
    return owner


async def read_left(store: Store, at: datetime | None = None) -> int:
    """Return what is left of the budget of the month of a moment, which is now if not given."""
    budget = await PostgresSendingControl(store.database).read_budget(at)
    assert budget is not None
    return budget.left


async def test_whoever_begins_a_draft_in_many_windows_at_once_has_begun_one(store: Store) -> None:
    begun = await asyncio.gather(*(store.drafting.create(store.anna, CONTENT) for _ in range(8)))
    assert len({each.id for each in begun}) == 1
    assert sorted(each.is_resumed for each in begun) == [False] + [True] * 7
    assert (await store.drafting.create(store.ben, CONTENT)).id != begun[0].id


async def test_of_corrections_at_once_one_is_published_and_the_others_wait_until_their_editors_know_it(
    store: Store,
) -> None:
    first = await store.publish()
    corrections = [await store.correct(first, f"Berichtigung {number}.") for number in range(5)]
    results = await asyncio.gather(
        *(store.drafting.publish(store.ben, each.id, 2) for each in corrections), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["DraftRefused"] * 4 + ["NoticeDraft"]
    refused = next(each for each, result in zip(corrections, results, strict=True) if isinstance(result, DraftRefused))
    await store.drafting.mark_newest_seen(store.ben, refused.id, 2)
    await store.drafting.publish(store.ben, refused.id, 3)
    assert not (await store.drafting.correct(store.ben, refused.id)).is_overtaken
    assert (await store.drafting.correct(store.ben, first.id)).is_overtaken
    revisions = "select revision, (body -> 'data' ->> 'revision')::int from newsroom.publication order by revision"
    assert await store.fetch(revisions) == [(1, None), (2, 2), (3, 3)]


@pytest.mark.parametrize("change", ["disabled_at = now()", "roles = array['editor']"])
async def test_an_approval_of_somebody_who_may_approve_no_more_sends_nothing(
    store: Store, owner: asyncpg.Connection, change: str
) -> None:
    draft = await store.write()
    await store.drafting.save(
        store.anna, draft.id, 1, msgspec.structs.replace(draft.content, urgent=True)
    )  # which needs two
    await store.drafting.submit(store.anna, draft.id, 2)
    await store.drafting.approve(store.ben, draft.id, 2)
    await owner.execute(f"update newsroom.account set {change} where id = $1", store.ben.id)  # noqa: S608 - ours
    with pytest.raises(DraftRefused, match="zweite Person"):
        await store.drafting.publish(store.anna, draft.id, 2)
    # The same person, by another account that may: each account approves a version once.
    other = await add_account(owner, "ben", person=store.ben.person)
    await store.drafting.approve(other, draft.id, 2)
    assert (await store.drafting.publish(store.anna, draft.id, 2)).state is DraftState.PUBLISHED


@pytest.mark.parametrize("change", ["disabled_at = now()", "roles = array['editor']"])
async def test_what_counted_when_it_was_published_counts_for_ever(
    store: Store, owner: asyncpg.Connection, change: str
) -> None:
    draft, former = await store.write(), await add_account(owner, "cleo")
    await store.drafting.submit(store.anna, draft.id, 1)
    await store.drafting.approve(former, draft.id, 1)
    await owner.execute("update newsroom.account set disabled_at = now() where id = $1", former.id)
    await store.drafting.approve(store.ben, draft.id, 1)
    await store.drafting.publish(store.anna, draft.id, 1)
    await owner.execute(f"update newsroom.account set {change} where id = $1", store.ben.id)  # noqa: S608 - ours
    await owner.execute("update newsroom.account set disabled_at = null where id = $1", former.id)
    found = await store.drafts.find(draft.id)
    said = [(each.author.name, each.is_void) for each in found.decisions]
    assert said == [("anna", False), ("cleo", True), ("ben", False)]
    await store.answer(draft, QUOTA)
    returned = await store.drafts.find(draft.id)
    assert [each.is_void for each in returned.decisions] == [False, False, True], "they count for the next publication"


async def test_a_failure_in_the_middle_stores_nothing(store: Store) -> None:
    draft = await store.write()
    before = await store.fetch("select count(*) from newsroom.audit")

    def fail(found: NoticeDraft) -> None:
        raise DraftRefused("Nein.")

    with pytest.raises(DraftRefused):
        await store.drafts.change(draft.id, fail)
    assert await store.drafts.find(draft.id) == draft
    assert await store.fetch("select count(*) from newsroom.audit") == before


async def test_the_outbox_gives_each_notice_its_acts_in_order(store: Store) -> None:
    first = await store.publish()
    correction = await store.correct(first, "Bis Freitag.")
    await store.drafting.publish(store.ben, correction.id, 2)
    other = await store.publish()
    now = system_clock()
    assert [each.draft for each in await store.publications.list_due(now, 10)] == [first.id, other.id]
    publication = await store.find_publication(first)
    await store.publications.record_failure(publication.id, now + timedelta(seconds=30))
    assert [each.draft for each in await store.publications.list_due(now, 10)] == [other.id]
    await store.answer(first)
    assert {each.draft for each in await store.publications.list_due(now, 10)} == {correction.id, other.id}


async def test_what_is_withdrawn_before_it_left_leaves_no_sooner_than_the_withdrawal_is_in_effect(store: Store) -> None:
    draft, other = await store.publish(), await store.publish()
    withdrawal = await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")

    async def list_due() -> list[UUID]:
        return [each.draft for each in await store.publications.list_due(system_clock(), 10)]

    assert await list_due() == [withdrawal.id, other.id]
    await store.answer(withdrawal)
    assert await list_due() == [other.id]
    await store.accept(withdrawal, action=NoticeAction.WITHDRAWN, broadcast=None)
    assert await list_due() == [draft.id, other.id]


async def test_a_lost_confirmation_of_a_withdrawal_holds_its_notice_for_some_minutes(store: Store) -> None:
    draft = await store.publish()
    withdrawal = await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    await store.answer(withdrawal)
    assert (await store.fetch(COUNT_WAITING))[0][0] == 0
    await store.fetch("update newsroom.publication set answered_at = answered_at - interval '11 minutes'")
    assert [each.draft for each in await store.publications.list_due(system_clock(), 10)] == [draft.id]
    assert [each.draft for each in await store.publications.list_under_way(10)] == [withdrawal.id]


async def test_a_notice_whose_withdrawal_is_refused_does_not_go_out(store: Store) -> None:
    draft = await store.publish()
    withdrawal = await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    await store.answer(withdrawal, QUOTA)
    assert await store.publications.list_due(system_clock(), 10) == []
    assert (await store.find_publication(draft)).state is PublicationState.REJECTED
    assert (await store.drafts.find(draft.id)).state is DraftState.RETURNED


async def test_a_rejection_returns_the_draft_with_its_problems(store: Store) -> None:
    draft = await store.publish()
    problem = Problem(field="quota", problem="this system may publish 1 notices in an hour; never")
    await store.answer(draft, problem)
    assert (await store.drafts.find(draft.id)).state is DraftState.RETURNED
    found = await store.find_publication(draft)
    assert (found.state, found.problems) == (PublicationState.REJECTED, (problem,))
    assert (await store.drafting.publish(store.anna, draft.id, 1)).state is DraftState.PUBLISHED
    assert (await store.find_publication(draft)).id != found.id


async def test_an_emergency_that_was_rejected_was_none(store: Store) -> None:
    drafting = build_drafting(store.database, store.drafts, ApprovalRules(emergency=True))
    content = msgspec.structs.replace(CONTENT, urgent=True, expires_at=system_clock() + timedelta(days=1))
    draft = await drafting.create(store.anna, content)
    await drafting.publish_emergency(store.anna, draft.id, 1, "Bombenfund")
    assert [each.id for each in await store.drafts.list_unreviewed()] == [draft.id]
    await store.answer(draft, QUOTA)
    assert await store.drafts.list_unreviewed() == []
    with pytest.raises(DraftRefused, match="nichts nachträglich"):
        await drafting.review(store.ben, draft.id, 1)
    await drafting.submit(store.anna, draft.id, 1)
    await drafting.approve(store.ben, draft.id, 1)
    assert (await drafting.publish(store.anna, draft.id, 1)).emergency is None


async def test_what_is_promised_is_not_left_in_the_budget(store: Store, owner: asyncpg.Connection) -> None:
    now = system_clock()
    await set_up_number(owner)
    await add_broadcast(owner, audience=800, states='{"waiting": 600, "sent": 60, "suppressed": 40}')
    await add_broadcast(owner, audience=5)
    for ended in ({"finished_at": now}, {"cancelled_at": now}, {"accepted_at": now - timedelta(days=32)}):
        await add_broadcast(owner, audience=1_000, **ended)
    assert await read_left(store) == 39_300


async def test_a_planned_notice_is_paid_for_by_the_month_in_which_it_is_sent(
    store: Store, small_budget: asyncpg.Connection
) -> None:
    """However long before, from its publication to its end, whatever this month has left."""
    now, later = system_clock(), system_clock() + timedelta(days=40)
    await add_broadcast(small_budget, audience=20, states='{"waiting": 20}', accepted_at=now)
    planned = {"accepted_at": now - timedelta(days=32), "scheduled_at": later, "states": "{}", "started_at": None}
    await add_broadcast(small_budget, audience=5, **planned)
    assert (await read_left(store), await read_left(store, later)) == (5, 20)

    content = msgspec.structs.replace(CONTENT, scheduled_at=later, expires_at=later + timedelta(days=1))
    contents = [msgspec.structs.replace(content, headline=f"K {number} gesperrt") for number in range(3)]
    drafts = [await store.drafting.create(store.anna, each) for each in contents]
    for draft in drafts[:2]:  # each goes to 10
        await store.drafting.publish(store.anna, draft.id, 1)
    with pytest.raises(DraftRefused, match="Das Budget für"):
        await store.drafting.publish(store.anna, drafts[2].id, 1)
    assert (await read_left(store), await read_left(store, later)) == (5, 0)

    await store.accept(drafts[0], now, audience=7, scheduled_at=later)
    assert (await read_left(store), await read_left(store, later)) == (5, 3)


async def test_what_was_planned_for_a_moment_that_is_over_is_paid_for_now(
    store: Store, small_budget: asyncpg.Connection
) -> None:
    now = system_clock()
    for ago in (2, 40):  # the older one cannot be under way any more
        before = {"accepted_at": now - timedelta(days=50), "scheduled_at": now - timedelta(days=ago)}
        await add_broadcast(small_budget, audience=10, states='{"waiting": 10}', **before)
    assert (await read_left(store), await read_left(store, now + timedelta(days=40))) == (15, 25)


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_a_correction_does_not_pay_for_what_it_stops(
    store: Store, small_budget: asyncpg.Connection, is_accepted: bool
) -> None:
    """Each goes to 10: who has not got the first revision gets only the new one."""
    await add_broadcast(small_budget, audience=10, states='{"waiting": 10}')
    first, broadcast = await store.publish(), uuid4()
    if is_accepted:
        await store.accept(first, audience=10, broadcast=broadcast)
    assert await read_left(store) == 5
    with pytest.raises(DraftRefused, match="Das Budget"):
        await store.publish()
    correction = await store.correct(first, "Die Sperrung endet schon am Donnerstag.")
    assert (await store.drafting.publish(store.ben, correction.id, 2)).state is DraftState.PUBLISHED
    assert await read_left(store) == 0
    cancelled = BroadcastCancelled(source=SOURCE, notice=first.notice, broadcast=broadcast, reason="newer revision")
    await store.tell(cancelled, system_clock())
    assert await read_left(store) == (5 if is_accepted else 0)


@pytest.mark.usefixtures("small_budget")
async def test_of_many_who_publish_at_once_only_as_many_go_out_as_the_budget_pays_for(store: Store) -> None:
    """Each goes to 10; what was handed over counts until the end, whether or not an event has told of it."""
    drafts = [await store.write() for _ in range(6)]
    results = await asyncio.gather(
        *(store.drafting.publish(store.anna, draft.id, 1) for draft in drafts), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["DraftRefused"] * 4 + ["NoticeDraft"] * 2
    first, second = (each for each in results if isinstance(each, NoticeDraft))
    assert await read_left(store) == 5

    broadcast = uuid4()
    await store.accept(first, broadcast=broadcast)  # without audience, as of a follow-up, which only the ledger counts
    assert await read_left(store) == 5
    await store.accept(first, broadcast=broadcast, audience=7)
    assert await read_left(store) == 8

    await store.answer(second, QUOTA)
    assert await read_left(store) == 18


async def test_in_many_windows_at_once_nobody_has_more_trials_than_in_one(store: Store) -> None:
    control, draft = PostgresSendingControl(store.database), uuid4()
    act = Act(account=store.anna.id, action="draft.tried", object="test")
    ends = await asyncio.gather(
        *(control.prepare_trial(draft, f"{number:08}", "Text", act) for number in range(2 * MAX_TRIALS_PER_HOUR))
    )
    assert sum(each is not None for each in ends) == MAX_TRIALS_PER_HOUR
