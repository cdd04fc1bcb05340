"""A notice took effect although its repetition was refused, and its editor has sent it once more before that was known.

As when the answer to the first request is lost, and by the second one the token has fewer topics.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from cli.backup.holding import hold_everything
from services.newsroom.domain.archive import derive_code
from services.newsroom.domain.drafts import DraftState, NoticeDraft
from services.newsroom.domain.outbox import PublicationState
from shared.contracts.events import BroadcastStarted, NoticeAccepted, NoticeRejected, Problem
from shared.contracts.message import Lane
from shared.runtime.clock import system_clock
from tests.databases import count_locked, wait_until_locked
from tests.integration.newsroom.writing_store import QUOTA, SOURCE, Store
from tests.servers import wait_for

BROADCAST = UUID(int=77)


def build_events(draft: NoticeDraft, first: UUID, at: datetime) -> tuple[NoticeAccepted, BroadcastStarted]:
    """Build what is told of the first publication."""
    usual: dict[str, Any] = {"source": SOURCE, "notice": draft.subject, "revision": 1, "broadcast": BROADCAST}
    started = BroadcastStarted(**usual, topic="strassensperrungen", lane=Lane.BULK, expires_at=at + timedelta(hours=1))
    return NoticeAccepted(**usual, event=first.hex), started


@pytest.mark.parametrize("is_started_first", [False, True])
async def test_the_archive_has_what_took_effect(store: Store, is_started_first: bool) -> None:
    draft, at = await store.publish(), system_clock()
    first = await store.find_publication(draft)
    accepted, started = build_events(draft, first.id, at)
    await store.answer(draft, QUOTA)
    if is_started_first:
        await store.tell(started, at)
    await store.drafting.publish(store.anna, draft.id, 1)
    await store.tell(accepted, at)
    if not is_started_first:
        await store.tell(started, at)
    entries = await store.fetch("select code, published_at from newsroom.archive_entry")
    assert entries == [(derive_code(first.id), at)]


async def test_the_archive_has_what_took_effect_though_its_start_is_told_once_it_was_sent_again(store: Store) -> None:
    draft, at = await store.publish(), system_clock()
    accepted, started = build_events(draft, (first := await store.find_publication(draft)).id, at)
    await store.answer(draft, QUOTA)
    edited = msgspec.structs.replace(draft.content, text="Bis Freitag.")
    await store.drafting.save(store.anna, draft.id, 1, edited)
    await store.drafting.publish(store.anna, draft.id, 2)
    for message in (started, accepted, started):
        await store.tell(message, at)
    entries = await store.fetch("select code, text, published_at from newsroom.archive_entry")
    assert entries == [(derive_code(first.id), draft.content.text, at)]


@pytest.mark.parametrize("is_rejected_first", [False, True])
@pytest.mark.parametrize("is_edited", [False, True])
async def test_it_stays_published_and_can_be_withdrawn(store: Store, is_edited: bool, is_rejected_first: bool) -> None:
    draft, at = await store.publish(), system_clock()
    first = await store.find_publication(draft)
    await store.answer(draft, QUOTA)
    if is_edited:
        text = msgspec.structs.replace(draft.content, text="Bis Freitag.")
        await store.drafting.save(store.anna, draft.id, 1, text)
    again = await store.drafting.publish(store.anna, draft.id, 2 if is_edited else 1)
    second = await store.find_publication(again)
    accepted, _ = build_events(draft, first.id, at)
    problem = Problem(field="subject", problem="was published before, in revision 1; send an update")
    rejected = NoticeRejected(source=SOURCE, event=second.id.hex, problems=(problem,))
    for message in (rejected, accepted) if is_rejected_first else (accepted, rejected):
        await store.tell(message, at)
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED
    assert (await store.find_publication(draft)).broadcast == BROADCAST
    assert (await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")).state is DraftState.PUBLISHED


@pytest.mark.parametrize("is_rejected_first", [False, True])
async def test_it_stays_published_when_two_processes_overlap(
    store: Store, owner: asyncpg.Connection, is_rejected_first: bool
) -> None:
    """One of them records that it took effect, the other that the second one was rejected."""
    draft, at = await store.publish(), system_clock()
    accepted, started = build_events(draft, (await store.find_publication(draft)).id, at)
    await store.answer(draft, QUOTA)
    await store.tell(started, at)
    again = await store.drafting.publish(store.anna, draft.id, 1)
    second = await store.find_publication(again)
    rejected = NoticeRejected(source=SOURCE, event=second.id.hex, problems=(QUOTA,))
    table, *messages = ("audit", rejected, accepted) if is_rejected_first else ("archive_entry", accepted, rejected)

    async def has_ended_or_waits() -> bool:
        return other.done() or await count_locked(store.database) == 2

    async with asyncio.TaskGroup() as tasks, owner.transaction():
        await owner.execute(f"lock table newsroom.{table} in exclusive mode")
        tasks.create_task(store.tell(messages[0], at))
        await wait_until_locked(store.database)
        other = tasks.create_task(store.tell(messages[1], at))
        await wait_for(has_ended_or_waits)
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED


@pytest.mark.parametrize("act", ["discard", "submit"])
async def test_what_was_done_with_it_meanwhile_does_not_count(store: Store, act: str) -> None:
    draft, at = await store.publish(), system_clock()
    accepted, _ = build_events(draft, (await store.find_publication(draft)).id, at)
    await store.answer(draft, QUOTA)
    await getattr(store.drafting, act)(store.anna, draft.id, 1)
    await store.tell(accepted, at)
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED
    assert (await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")).state is DraftState.PUBLISHED


async def test_a_repetition_that_is_refused_after_the_acceptance_rejects_nothing(store: Store) -> None:
    """As when two processes send it at once, and one of them a moment too late."""
    draft = await store.publish()
    await store.answer(draft)
    await store.answer(draft, QUOTA)
    assert (await store.find_publication(draft)).state is PublicationState.ACCEPTED
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED


async def test_a_correction_that_is_rejected_comes_back_though_an_earlier_version_of_it_took_effect(
    store: Store,
) -> None:
    draft, at = await store.publish(), system_clock()
    await store.accept(draft)
    correction = await store.correct(draft, "Bis Freitag.")
    await store.drafting.publish(store.ben, correction.id, 2)
    first = await store.find_publication(correction)
    await store.answer(correction, QUOTA)
    later = msgspec.structs.replace(correction.content, text="Bis Samstag.")
    await store.drafting.save(store.ben, correction.id, 2, later)
    accepted, _ = build_events(draft, first.id, at)
    accepted = msgspec.structs.replace(accepted, revision=2)
    await store.tell(accepted, at)
    await store.drafting.mark_newest_seen(store.ben, correction.id, 3)
    await store.drafting.publish(store.ben, correction.id, 4)
    second = await store.find_publication(correction)
    assert (first.revision, second.revision) == (2, 3)
    await store.answer(correction, QUOTA)
    await store.tell(accepted, at)
    assert (await store.drafts.find(correction.id)).state is DraftState.RETURNED
    newest = await store.find_publication(correction)
    assert (newest.id, newest.problems) == (second.id, (QUOTA,))


async def test_a_restore_does_not_return_what_took_effect(store: Store, owner: asyncpg.Connection) -> None:
    """The second one waits in the backup."""
    draft = await store.publish()
    accepted, _ = build_events(draft, (await store.find_publication(draft)).id, system_clock())
    await store.answer(draft, QUOTA)
    again = await store.drafting.publish(store.anna, draft.id, 1)
    second = await store.find_publication(again)
    await store.tell(accepted, system_clock())
    async with owner.transaction():
        await hold_everything(owner, system_clock())
    states = await store.fetch("select state from newsroom.publication where id = $1", second.id)
    assert states == [("rejected",)]
    assert (await store.drafts.find(draft.id)).state is DraftState.PUBLISHED
