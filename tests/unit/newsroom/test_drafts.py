"""Drafts: versions that nobody overwrites, states that end, and what is begun from a published notice."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from services.newsroom.domain.accounts import Account, NotPermitted, Role
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.drafts import (
    OPEN_STATES,
    UNCHANGED,
    DraftAct,
    DraftConflict,
    DraftKind,
    DraftRefused,
    DraftState,
    advance_state,
    list_changes,
    merge_contents,
)
from services.newsroom.domain.explanations import explain_problem
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import BroadcastChange, SendingChange
from services.newsroom.handlers.operating import OperatingService
from services.newsroom.handlers.trials import TrialService
from tests.factories.editors import (
    ANNA,
    BEN,
    CLEO,
    CONTENT,
    DEEDS,
    NOON,
    OTHER,
    OTTO,
    ROUTINE,
    build_editors,
    make_account,
    open_editors,
)


@pytest.mark.parametrize("state", [state for state in DraftState if state not in OPEN_STATES])
@pytest.mark.parametrize("act", DraftAct)
def test_what_is_published_or_discarded_is_not_touched_again(state: DraftState, act: DraftAct) -> None:
    with pytest.raises(DraftRefused):
        advance_state(state, act)


@pytest.mark.parametrize("state", OPEN_STATES)
def test_any_edit_takes_back_what_was_said_of_the_earlier_version(state: DraftState) -> None:
    assert advance_state(state, DraftAct.SAVE) is DraftState.DRAFT


EMERGENCIES = ApprovalRules(emergency=True)
BY_OTHERS = {"approve": BEN, "return": BEN, "review": BEN}


@pytest.mark.parametrize("name", DEEDS)
async def test_nobody_acts_on_a_version_that_they_have_not_seen(name: str) -> None:
    newsroom = build_editors(msgspec.structs.replace(ROUTINE, emergency=True))
    draft = await newsroom.drafting.create(ANNA, CONTENT)
    await newsroom.drafting.save(BEN, draft.id, 1, msgspec.structs.replace(CONTENT, urgent=True))
    with pytest.raises(DraftConflict):
        await DEEDS[name](newsroom.drafting, BY_OTHERS.get(name, ANNA), draft.id, 1)
    assert (await newsroom.drafts.find(draft.id)).content.urgent


async def test_the_same_words_saved_again_are_no_version_and_no_conflict_and_keep_the_approval() -> None:
    newsroom = await open_editors()
    draft = await newsroom.play("anna save, anna submit, ben approve")
    saved = await newsroom.drafting.save(ANNA, draft.id, 1, OTHER)
    assert (saved.version, saved.state) == (2, DraftState.APPROVED)


def test_of_two_who_write_at_once_each_keeps_what_only_they_have_changed() -> None:
    theirs = msgspec.structs.replace(CONTENT, expires_at=NOON, municipalities=("Grasberg",), headline="Von Ben")
    mine = msgspec.structs.replace(CONTENT, text="Von Anna", headline="Auch von Anna", urgent=True)
    assert merge_contents(CONTENT, mine, theirs) == msgspec.structs.replace(
        theirs, text="Von Anna", headline="Auch von Anna", urgent=True
    )
    emptied = msgspec.structs.replace(CONTENT, expires_at=None)
    assert merge_contents(CONTENT, emptied, theirs) == msgspec.structs.replace(theirs, expires_at=None)


@pytest.mark.parametrize(
    ("account", "forbidden"),
    [
        (CLEO, ("save", "submit", "emergency", "discard")),
        (OTTO, tuple(DEEDS)),
    ],
)
async def test_rights_are_checked_where_the_act_is(account: Account, forbidden: tuple[str, ...]) -> None:
    newsroom = build_editors(msgspec.structs.replace(ROUTINE, emergency=True))
    draft = await newsroom.drafting.create(ANNA, CONTENT)
    for name in forbidden:
        with pytest.raises(NotPermitted):
            await DEEDS[name](newsroom.drafting, account, draft.id, 1)
    assert await newsroom.drafts.find(draft.id) == draft


async def test_rights_are_checked_where_a_trial_is_made_and_sending_is_changed() -> None:
    assessor, account, nothing = (
        build_editors(ROUTINE).drafting.assessor,
        make_account("lea", Role.LEAD),
        cast(Any, None),
    )
    operating = OperatingService(control=nothing, assessor=assessor, find_published=nothing)
    status = BroadcastStatus(id=UUID(int=7))
    with pytest.raises(NotPermitted):
        await TrialService(assessor=assessor, templates={}, offer=nothing).prepare(account, UUID(int=7), 1)
    for change in BroadcastChange:
        with pytest.raises(NotPermitted):
            await operating.change_broadcast(make_account("nia"), change, status, "Grund")
    for act in SendingChange:
        with pytest.raises(NotPermitted):
            await operating.change_sending(account, act, "", "Grund")


async def test_a_correction_is_the_next_revision_of_the_same_notice() -> None:
    newsroom = build_editors(ROUTINE)
    first = await newsroom.publish()
    second = await newsroom.play("ben publish", await newsroom.correct(BEN, first, "Bis Donnerstag."))
    await newsroom.play("ben publish", await newsroom.correct(BEN, second.id, "Bis Freitag."))
    assert second.kind is DraftKind.UPDATE
    events = [each.event for each in newsroom.drafts.published]
    assert len({event["subject"] for event in events}) == 1
    assert [event["data"].get("revision") for event in events] == [None, 2, 3]
    assert len({event["id"] for event in events}) == 3


async def test_who_is_told_of_a_newer_correction_needs_a_new_approval() -> None:
    newsroom = await open_editors()
    first = await newsroom.play("anna submit, cleo approve, anna publish")
    mine, theirs = [await newsroom.correct(author, first.id, f"Von {author.name}.") for author in (ANNA, BEN)]
    await newsroom.play("ben submit, cleo approve", theirs)
    await newsroom.play("anna submit, cleo approve, anna publish", mine)
    await newsroom.drafting.mark_newest_seen(BEN, theirs.id, 2)
    with pytest.raises(DraftRefused, match="zweite Person"):
        await newsroom.play("ben publish", theirs)


@pytest.mark.parametrize(
    "change",
    [
        {"headline": "K 9 halb frei"},
        {"link": "https://www.landkreis-osterholz.de/k9"},
        {"municipalities": ("Grasberg",)},
        {"urgent": True},
        {"scheduled_at": NOON + timedelta(hours=2)},
        {"expires_at": NOON + timedelta(days=2)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_correction_changes_something(change: dict[str, object]) -> None:
    newsroom = build_editors(msgspec.structs.replace(ROUTINE, urgent_alone=True))
    draft = await newsroom.drafting.correct(ANNA, await newsroom.publish())
    for act in ("anna submit", "anna publish"):
        with pytest.raises(DraftRefused, match="nichts geändert"):
            await newsroom.play(act, draft)
    (problem,) = (await newsroom.drafting.assessor.evaluate(draft, ANNA)).problems
    assert explain_problem(problem) == UNCHANGED
    changed = await newsroom.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, **change))
    assert list_changes(changed, NOON) == list(change)
    assert (await newsroom.play("anna publish", draft)).state is DraftState.PUBLISHED
    with pytest.raises(DraftRefused, match="nichts geändert"):
        await newsroom.play("anna publish", await newsroom.drafting.correct(ANNA, draft.id))


async def test_an_unchanged_correction_that_waits_already_is_neither_approved_nor_sent_in_an_emergency() -> None:
    newsroom = await open_editors(EMERGENCIES, content=msgspec.structs.replace(CONTENT, urgent=True))
    draft = await newsroom.drafting.correct(ANNA, (await newsroom.play("anna emergency")).id)
    newsroom.drafts.drafts[draft.id] = replace(draft, state=DraftState.PENDING)
    for act in ("ben approve", "anna emergency"):
        with pytest.raises(DraftRefused, match="nichts geändert"):
            await newsroom.play(act, draft)


async def test_neither_a_time_that_is_past_nor_the_order_of_municipalities_is_a_change() -> None:
    content = msgspec.structs.replace(
        CONTENT, scheduled_at=NOON + timedelta(hours=1), municipalities=("Grasberg", "Worpswede")
    )
    newsroom = await open_editors(ROUTINE, content=content)
    first = await newsroom.play("anna publish")
    newsroom.now = NOON + timedelta(hours=2)
    draft = await newsroom.drafting.correct(ANNA, first.id)
    turned = msgspec.structs.replace(draft.content, municipalities=("Worpswede", "Grasberg"))
    await newsroom.drafting.save(ANNA, draft.id, 1, turned)
    with pytest.raises(DraftRefused, match="nichts geändert"):
        await newsroom.play("anna publish", draft)


async def test_a_follow_up_names_the_notice_that_it_follows() -> None:
    newsroom = build_editors(ROUTINE)
    first = await newsroom.publish()
    newsroom.drafts.audience = 10
    draft = await newsroom.drafting.follow_up(BEN, first)
    await newsroom.play("ben save, ben publish", draft)
    before, after = [each.event for each in newsroom.drafts.published]
    assert after["data"]["follows"] == before["subject"] != after["subject"]


async def test_only_what_is_published_is_corrected_followed_or_withdrawn() -> None:
    newsroom = await open_editors(ROUTINE)
    draft, drafting = await newsroom.play(""), newsroom.drafting
    begins = (drafting.correct, drafting.follow_up, partial(drafting.withdraw, reason="Fällt aus."))
    for begin in begins:
        with pytest.raises(DraftRefused, match="nicht veröffentlicht"):
            await begin(ANNA, draft.id)
    await newsroom.play("anna publish")
    withdrawal = await drafting.withdraw(ANNA, draft.id, "Fällt aus.")
    for begin in begins:
        with pytest.raises(DraftRefused, match="nicht veröffentlicht"):
            await begin(ANNA, withdrawal.id)


async def test_a_copy_has_the_words_but_neither_times_nor_decisions() -> None:
    newsroom = build_editors(ROUTINE)
    first = await newsroom.publish()
    copy = await newsroom.drafting.copy(BEN, first)
    assert copy.content == msgspec.structs.replace(CONTENT, expires_at=None)
    assert (copy.state, copy.created_by.name, copy.kind) == (DraftState.DRAFT, "Ben", DraftKind.NOTICE)


async def test_the_published_text_ends_with_its_code() -> None:
    newsroom = build_editors(ROUTINE)
    await newsroom.publish()
    (publication,) = newsroom.drafts.published
    assert publication.event["data"]["text"].startswith(f"{CONTENT.text} Prüfcode: ")
    assert publication.event["expirytime"] == "2026-11-26T11:00:00Z"
