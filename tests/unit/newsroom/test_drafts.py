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
    OVERTAKEN,
    UNCHANGED,
    DraftAct,
    DraftConflict,
    DraftKind,
    DraftNotFound,
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
from tests.factories.press_office import (
    ANNA,
    BEN,
    CLEO,
    CONTENT,
    DEEDS,
    NOON,
    OTHER,
    OTTO,
    ROUTINE,
    build_office,
    make_account,
    open_office,
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
    office = build_office(msgspec.structs.replace(ROUTINE, emergency=True))
    draft = await office.drafting.create(ANNA, CONTENT)
    await office.drafting.save(BEN, draft.id, 1, msgspec.structs.replace(CONTENT, urgent=True))
    with pytest.raises(DraftConflict):
        await DEEDS[name](office.drafting, BY_OTHERS.get(name, ANNA), draft.id, 1)
    assert (await office.drafts.find(draft.id)).content.urgent


async def test_what_is_saved_twice_is_one_version_and_no_conflict() -> None:
    office = build_office(ROUTINE)
    draft = await office.drafting.create(ANNA, CONTENT)
    await office.drafting.save(ANNA, draft.id, 1, OTHER)
    assert (await office.drafting.save(ANNA, draft.id, 1, OTHER)).version == 2


def test_of_two_who_write_at_once_each_keeps_what_only_they_have_changed() -> None:
    theirs = msgspec.structs.replace(CONTENT, expires_at=NOON, municipalities=("Grasberg",), headline="Von Ben")
    mine = msgspec.structs.replace(CONTENT, text="Von Anna", headline="Auch von Anna", urgent=True)
    assert merge_contents(CONTENT, mine, theirs) == msgspec.structs.replace(
        theirs, text="Von Anna", headline="Auch von Anna", urgent=True
    )
    emptied = msgspec.structs.replace(CONTENT, expires_at=None)
    assert merge_contents(CONTENT, emptied, theirs) == msgspec.structs.replace(theirs, expires_at=None)


@pytest.mark.parametrize("name", DEEDS)
async def test_an_act_on_a_draft_that_does_not_exist(name: str) -> None:
    office = build_office(EMERGENCIES)
    with pytest.raises(DraftNotFound):
        await DEEDS[name](office.drafting, BY_OTHERS.get(name, ANNA), UUID(int=7), 1)


@pytest.mark.parametrize(
    ("account", "forbidden"),
    [
        (CLEO, ("save", "submit", "emergency", "discard")),
        (OTTO, tuple(DEEDS)),
    ],
)
async def test_rights_are_checked_where_the_act_is(account: Account, forbidden: tuple[str, ...]) -> None:
    office = build_office(msgspec.structs.replace(ROUTINE, emergency=True))
    draft = await office.drafting.create(ANNA, CONTENT)
    for name in forbidden:
        with pytest.raises(NotPermitted):
            await DEEDS[name](office.drafting, account, draft.id, 1)
    assert await office.drafts.find(draft.id) == draft


async def test_rights_are_checked_where_a_trial_is_made_and_sending_is_changed() -> None:
    assessor, account, nothing = (
        build_office(ROUTINE).drafting.assessor,
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
    office = build_office(ROUTINE)
    first = await office.publish()
    second = await office.play("ben publish", await office.correct(BEN, first, "Bis Donnerstag."))
    await office.play("ben publish", await office.correct(BEN, second.id, "Bis Freitag."))
    assert second.kind is DraftKind.UPDATE
    events = [each.event for each in office.drafts.published]
    assert len({event["subject"] for event in events}) == 1
    assert [event["data"].get("revision") for event in events] == [None, 2, 3]
    assert len({event["id"] for event in events}) == 3


async def test_a_correction_of_an_older_revision_waits_until_its_editor_knows_the_newer_one() -> None:
    office = build_office(ROUTINE)
    first = await office.publish()
    theirs = await office.drafting.correct(BEN, first)
    await office.play("anna publish", await office.correct(ANNA, first, "Bis Donnerstag."))
    saved = await office.drafting.save(BEN, theirs.id, 1, OTHER)  # by itself, in a page that was open before
    for act in ("ben submit", "ben publish"):
        with pytest.raises(DraftRefused, match="andere Korrektur"):
            await office.play(act, theirs)
    (problem,) = (await office.drafting.assessor.evaluate(saved, BEN)).problems
    assert explain_problem(problem) == OVERTAKEN
    told = await office.drafting.mark_newest_seen(BEN, theirs.id, 2)
    assert (told.version, told.content, told.is_overtaken) == (3, OTHER, False)
    await office.play("ben publish", theirs)
    assert [each.revision for each in office.drafts.published] == [1, 2, 3]
    late = await office.drafting.correct(ANNA, first)
    assert late.is_overtaken, "its words are those of the first revision"


async def test_who_is_told_of_a_newer_correction_needs_a_new_approval() -> None:
    office = await open_office()
    first = await office.play("anna submit, cleo approve, anna publish")
    mine, theirs = [await office.correct(author, first.id, f"Von {author.name}.") for author in (ANNA, BEN)]
    await office.play("ben submit, cleo approve", theirs)
    await office.play("anna submit, cleo approve, anna publish", mine)
    await office.drafting.mark_newest_seen(BEN, theirs.id, 2)
    with pytest.raises(DraftRefused, match="zweite Person"):
        await office.play("ben publish", theirs)


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
    office = build_office(msgspec.structs.replace(ROUTINE, urgent_alone=True))
    draft = await office.drafting.correct(ANNA, await office.publish())
    for act in ("anna submit", "anna publish"):
        with pytest.raises(DraftRefused, match="nichts geändert"):
            await office.play(act, draft)
    (problem,) = (await office.drafting.assessor.evaluate(draft, ANNA)).problems
    assert explain_problem(problem) == UNCHANGED
    changed = await office.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, **change))
    assert list_changes(changed, NOON) == list(change)
    assert (await office.play("anna publish", draft)).state is DraftState.PUBLISHED
    with pytest.raises(DraftRefused, match="nichts geändert"):
        await office.play("anna publish", await office.drafting.correct(ANNA, draft.id))


async def test_an_unchanged_correction_that_waits_already_is_neither_approved_nor_sent_in_an_emergency() -> None:
    office = await open_office(EMERGENCIES, content=msgspec.structs.replace(CONTENT, urgent=True))
    draft = await office.drafting.correct(ANNA, (await office.play("anna emergency")).id)
    office.drafts.drafts[draft.id] = replace(draft, state=DraftState.PENDING)
    for act in ("ben approve", "anna emergency"):
        with pytest.raises(DraftRefused, match="nichts geändert"):
            await office.play(act, draft)


async def test_neither_a_time_that_is_past_nor_the_order_of_municipalities_is_a_change() -> None:
    content = msgspec.structs.replace(
        CONTENT, scheduled_at=NOON + timedelta(hours=1), municipalities=("Grasberg", "Worpswede")
    )
    office = await open_office(ROUTINE, content=content)
    first = await office.play("anna publish")
    office.now = NOON + timedelta(hours=2)
    draft = await office.drafting.correct(ANNA, first.id)
    turned = msgspec.structs.replace(draft.content, municipalities=("Worpswede", "Grasberg"))
    await office.drafting.save(ANNA, draft.id, 1, turned)
    with pytest.raises(DraftRefused, match="nichts geändert"):
        await office.play("anna publish", draft)


async def test_a_follow_up_names_the_notice_that_it_follows() -> None:
    office = build_office(ROUTINE)
    first = await office.publish()
    office.drafts.audience = 10
    draft = await office.drafting.follow_up(BEN, first)
    await office.play("ben save, ben publish", draft)
    before, after = [each.event for each in office.drafts.published]
    assert after["data"]["follows"] == before["subject"] != after["subject"]


async def test_only_what_is_published_is_corrected_followed_or_withdrawn() -> None:
    office = await open_office(ROUTINE)
    draft, drafting = await office.play(""), office.drafting
    begins = (drafting.correct, drafting.follow_up, partial(drafting.withdraw, reason="Fällt aus."))
    for begin in begins:
        with pytest.raises(DraftRefused, match="nicht veröffentlicht"):
            await begin(ANNA, draft.id)
    await office.play("anna publish")
    withdrawal = await drafting.withdraw(ANNA, draft.id, "Fällt aus.")
    for begin in begins:
        with pytest.raises(DraftRefused, match="nicht veröffentlicht"):
            await begin(ANNA, withdrawal.id)


async def test_a_copy_has_the_words_but_neither_times_nor_decisions() -> None:
    office = build_office(ROUTINE)
    first = await office.publish()
    copy = await office.drafting.copy(BEN, first)
    assert copy.content == msgspec.structs.replace(CONTENT, expires_at=None)
    assert (copy.state, copy.created_by.name, copy.kind) == (DraftState.DRAFT, "Ben", DraftKind.NOTICE)


async def test_the_published_text_ends_with_its_code() -> None:
    office = build_office(ROUTINE)
    await office.publish()
    (publication,) = office.drafts.published
    assert publication.event["data"]["text"].startswith(f"{CONTENT.text} Prüfcode: ")
    assert publication.event["expirytime"] == "2026-11-26T11:00:00Z"
