"""Four eyes: who may approve, and what is never sent without a second person."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.newsroom.domain.accounts import Account, NotPermitted
from services.newsroom.domain.approval import ApprovalRules, list_approval_reasons
from services.newsroom.domain.drafts import (
    Author,
    DraftConflict,
    DraftKind,
    DraftRefused,
    DraftState,
    DraftVersion,
    NoticeDraft,
    Verdict,
    build_author,
)
from services.newsroom.domain.outbox import NoticeForecast
from shared.contracts.events import Problem
from tests.factories.press_office import (
    ANNA,
    ANNA_AGAIN,
    BEN,
    CLEO,
    CONTENT,
    COUNTY,
    DEEDS,
    FORECAST,
    NOON,
    OTTO,
    ROUTINE,
    ScriptedNoticesApi,
    build_office,
)

PEOPLE = (ANNA, ANNA_AGAIN, BEN, CLEO, OTTO)


@given(
    st.lists(
        st.tuples(st.sampled_from(PEOPLE), st.sampled_from(sorted(DEEDS)), st.integers(0, 3), st.integers(1, 3)),
        max_size=40,
    )
)
def test_whatever_people_try_nothing_is_sent_that_one_human_alone_wanted(
    steps: list[tuple[Account, str, int, int]],
) -> None:
    asyncio.run(_try_everything(steps))


async def _try_everything(steps: list[tuple[Account, str, int, int]]) -> None:
    office = build_office()
    await office.drafting.create(ANNA, CONTENT)
    for account, name, behind, word in steps:
        (draft,) = office.drafts.drafts.values()
        with suppress(DraftRefused, DraftConflict, NotPermitted):
            seen = draft.version - behind
            if name == "save":
                content = msgspec.structs.replace(CONTENT, headline=f"K {word} gesperrt")
                await office.drafting.save(account, draft.id, seen, content)
            else:
                await DEEDS[name](office.drafting, account, draft.id, seen)
    (draft,) = office.drafts.drafts.values()
    assert len(office.drafts.published) == (draft.state is DraftState.PUBLISHED)
    for publication in office.drafts.published:
        said = [each for each in draft.decisions if each.version == publication.version]
        approvers = {each.by.person for each in said if each.verdict is Verdict.APPROVE}
        asked = {each.by.person for each in said if each.verdict is Verdict.SUBMIT}
        assert approvers - asked - {draft.newest.author.person}
        assert Verdict.RETURN not in {each.verdict for each in said}
        assert publication.version == draft.version
        assert publication.event["data"]["headline"] == draft.content.headline


async def test_two_people_send_a_notice() -> None:
    office = build_office()
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    published = await office.drafting.publish(ANNA, draft.id, 1)
    assert published.state is DraftState.PUBLISHED
    assert office.handed_over == 1
    assert [each.action for each in office.drafts.acts] == [
        "draft.created",
        "draft.submitted",
        "draft.approved",
        "draft.published",
    ]


@pytest.mark.parametrize("approver", [ANNA, ANNA_AGAIN])
async def test_nobody_approves_their_own_notice_by_whatever_account(approver: Account) -> None:
    office = build_office()
    draft = await office.submit()
    with pytest.raises(DraftRefused, match="andere Person"):
        await office.drafting.approve(approver, draft.id, 1)
    assert (await office.drafts.find(draft.id)).state is DraftState.PENDING


async def test_who_submits_the_words_of_another_does_not_approve_them() -> None:
    """Else one person could send what another has only begun."""
    office = build_office()
    draft = await office.drafting.create(ANNA, CONTENT)
    await office.drafting.submit(BEN, draft.id, 1)
    for approver in (ANNA, BEN):
        with pytest.raises(DraftRefused):
            await office.drafting.approve(approver, draft.id, 1)
    assert (await office.drafting.approve(CLEO, draft.id, 1)).state is DraftState.APPROVED


async def test_editing_after_the_approval_voids_it() -> None:
    office = build_office()
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    edited = await office.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, headline="K 8 gesperrt"))
    assert (edited.state, edited.version) == (DraftState.DRAFT, 2)
    with pytest.raises(DraftRefused, match="zweite Person"):
        await office.drafting.publish(ANNA, draft.id, 2)
    with pytest.raises(DraftConflict):
        await office.drafting.publish(ANNA, draft.id, 1)


async def test_saving_the_same_words_keeps_the_approval() -> None:
    office = build_office()
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    assert (await office.drafting.save(ANNA, draft.id, 1, CONTENT)).state is DraftState.APPROVED


async def test_what_was_returned_is_edited_before_it_is_sent() -> None:
    office = build_office(ROUTINE)
    draft = await office.submit()
    await office.drafting.send_back(BEN, draft.id, 1, " Wann   endet es? ")
    with pytest.raises(DraftRefused, match="Ben hat diesen Stand"):
        await office.drafting.submit(ANNA, draft.id, 1)
    with pytest.raises(DraftRefused, match="Ben hat diesen Stand"):
        await office.drafting.publish(ANNA, draft.id, 1)
    edited = await office.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, text="Bis Freitag."))
    assert (await office.drafting.publish(ANNA, draft.id, edited.version)).state is DraftState.PUBLISHED
    assert edited.decisions[-1].reason == "Wann endet es?"


async def test_what_was_approved_and_then_returned_is_approved_no_more() -> None:
    office = build_office()
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    approved = await office.drafts.find(draft.id)
    returned = await office.drafting.send_back(CLEO, draft.id, 1, "Die Straße heißt anders.")
    found = [await office.drafting.assessor.evaluate(each, ANNA) for each in (approved, returned)]
    assert [each.may_publish for each in found] == [True, False]


async def test_a_return_needs_a_reason() -> None:
    office = build_office()
    draft = await office.submit()
    with pytest.raises(DraftRefused, match="was zu ändern ist"):
        await office.drafting.send_back(BEN, draft.id, 1, " \n ")


async def test_one_person_sends_what_is_routine_and_nobody_who_only_operates() -> None:
    office = build_office(ROUTINE)
    draft = await office.drafting.create(ANNA, CONTENT)
    with pytest.raises(NotPermitted):
        await office.drafting.publish(OTTO, draft.id, 1)
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_while_costs_are_unknown_two_have_to_agree() -> None:
    office = build_office(ROUTINE)
    office.notices.forecast = None
    draft = await office.drafting.create(ANNA, CONTENT)
    with pytest.raises(DraftRefused, match="nicht bekannt"):
        await office.drafting.publish(ANNA, draft.id, 1)
    await office.drafting.submit(ANNA, draft.id, 1)
    await office.drafting.approve(BEN, draft.id, 1)
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_an_emergency_is_sent_alone_with_a_reason_and_reviewed_by_somebody_else() -> None:
    urgent = msgspec.structs.replace(CONTENT, urgent=True)
    office = build_office(ApprovalRules(emergency=True))
    calm = await office.drafting.create(ANNA, CONTENT)
    with pytest.raises(DraftRefused, match="nur für Eilmeldungen"):
        await office.drafting.publish_emergency(ANNA, calm.id, 1, "Bombenfund")
    draft = await office.drafting.create(ANNA, urgent)
    with pytest.raises(DraftRefused, match="warum"):
        await office.drafting.publish_emergency(ANNA, draft.id, 1, "")
    sent = await office.drafting.publish_emergency(ANNA, draft.id, 1, "Bombenfund")
    assert (sent.state, sent.emergency) == (DraftState.PUBLISHED, "Bombenfund")
    for own in (ANNA, ANNA_AGAIN):
        with pytest.raises(DraftRefused, match="andere Person"):
            await office.drafting.review(own, draft.id, 1)
    await office.drafting.review(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="nichts nachträglich"):
        await office.drafting.review(CLEO, draft.id, 1)


async def test_what_is_planned_waits_for_an_approval_even_if_it_is_urgent() -> None:
    office = build_office(ApprovalRules(emergency=True))
    planned = msgspec.structs.replace(CONTENT, urgent=True, scheduled_at=NOON + timedelta(hours=3))
    draft = await office.drafting.create(ANNA, planned)
    with pytest.raises(DraftRefused, match="Was geplant ist"):
        await office.drafting.publish_emergency(ANNA, draft.id, 1, "Bombenfund")
    assert office.drafts.published == []


async def test_a_review_of_one_version_is_none_of_the_next_emergency() -> None:
    office = build_office(ApprovalRules(emergency=True))
    draft = await office.drafting.create(ANNA, msgspec.structs.replace(CONTENT, urgent=True))
    await office.drafting.publish_emergency(ANNA, draft.id, 1, "Bombenfund")
    await office.drafting.review(BEN, draft.id, 1)
    office.drafts.drafts[draft.id] = replace(office.drafts.drafts[draft.id], state=DraftState.RETURNED)
    await office.drafting.save(
        ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, urgent=True, headline="K 10 gesperrt")
    )
    await office.drafting.publish_emergency(ANNA, draft.id, 2, "Noch ein Bombenfund")
    reviewed = await office.drafting.review(BEN, draft.id, 2)
    assert [each.version for each in reviewed.decisions if each.verdict is Verdict.REVIEW] == [1, 2]


async def test_what_is_saved_while_its_price_is_asked_for_is_not_sent_at_the_price_of_another_version() -> None:
    office = build_office(ROUTINE)
    draft = await office.drafting.create(ANNA, CONTENT)

    class SavingNoticesApi(ScriptedNoticesApi):
        async def check(self, event: Mapping[str, Any]) -> NoticeForecast:
            await office.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, headline="Alle Straßen"))
            return FORECAST

    office.drafting.assessor.notices.check = SavingNoticesApi().check  # type: ignore[method-assign]
    with pytest.raises(DraftConflict):
        await office.drafting.publish(ANNA, draft.id, 2)
    assert office.drafts.published == []


async def test_a_withdrawal_waits_for_no_price() -> None:
    office = build_office(ROUTINE)
    draft = await office.drafting.create(ANNA, CONTENT)
    await office.drafting.publish(ANNA, draft.id, 1)
    office.notices.forecast = NoticeForecast(problems=(Problem(field="reason", problem="never asked about"),))
    assert (await office.drafting.withdraw(ANNA, draft.id, "Sie fällt aus.")).state is DraftState.PUBLISHED


@pytest.mark.parametrize("reason", ["Siehe https://example.com/x", "Fällt\x07 aus"])
async def test_a_withdrawal_that_is_refused_leaves_no_draft(reason: str) -> None:
    office = build_office(ROUTINE)
    draft = await office.drafting.create(ANNA, CONTENT)
    await office.drafting.publish(ANNA, draft.id, 1)
    with pytest.raises(DraftRefused, match=r"Der Grund darf weder .* noch unsichtbare Zeichen enthalten\."):
        await office.drafting.withdraw(ANNA, draft.id, reason)
    assert list(office.drafts.drafts) == [draft.id]


async def test_without_the_emergency_lane_nobody_sends_alone() -> None:
    office = build_office()
    draft = await office.drafting.create(ANNA, msgspec.structs.replace(CONTENT, urgent=True))
    with pytest.raises(DraftRefused, match="nicht eingerichtet"):
        await office.drafting.publish_emergency(ANNA, draft.id, 1, "Bombenfund")


def build_draft(kind: DraftKind = DraftKind.NOTICE, **changes: object) -> NoticeDraft:
    author: Author = build_author(ANNA)
    content = msgspec.structs.replace(CONTENT, **changes)
    return NoticeDraft(
        id=ANNA.id,
        notice="n",
        kind=kind,
        state=DraftState.DRAFT,
        newest=DraftVersion(version=1, content=content, author=author, saved_at=NOON),
        created_by=author,
        changed_at=NOON,
    )


def list_reasons(draft: NoticeDraft, rules: ApprovalRules = ROUTINE, costs: str | None = "1.00", hour: int = 11) -> int:
    return len(
        list_approval_reasons(
            draft,
            rules,
            local_topics=COUNTY.local_topics,
            costs=None if costs is None else Decimal(costs),
            now=NOON.replace(hour=hour),
        )
    )


def test_what_is_routine_needs_nobody() -> None:
    assert list_reasons(build_draft()) == 0
    assert list_reasons(build_draft(), costs="100.00") == 0


@pytest.mark.parametrize(
    ("draft", "rules", "costs", "hour"),
    [
        (build_draft(topic="stellen"), ROUTINE, "1.00", 11),
        (build_draft(urgent=True), ROUTINE, "1.00", 11),
        (build_draft(), ROUTINE, "100.01", 11),
        (build_draft(), ROUTINE, None, 11),
        (build_draft(), ROUTINE, "1.00", 20),
        (build_draft(), ROUTINE, "1.00", 4),
        (build_draft(scheduled_at=NOON + timedelta(hours=10)), ROUTINE, "1.00", 11),
        (build_draft(), msgspec.structs.replace(ROUTINE, whole_county_alone=False), "1.00", 11),
        (build_draft(), msgspec.structs.replace(ROUTINE, night_begins=time(11), night_ends=time(13)), "1.00", 11),
    ],
)
def test_each_risk_alone_needs_a_second_person(
    draft: NoticeDraft, rules: ApprovalRules, costs: str | None, hour: int
) -> None:
    assert list_reasons(draft, rules, costs, hour) == 1


def test_a_withdrawal_needs_nobody_even_at_night() -> None:
    withdrawal = replace(build_draft(DraftKind.WITHDRAWAL, urgent=True, topic="stellen"), corrects="n-1")
    assert list_reasons(withdrawal, costs=None, hour=3) == 0


async def test_a_follow_up_costs_what_its_first_notice_did() -> None:
    office = build_office(ROUTINE)
    office.notices.forecast = msgspec.structs.replace(FORECAST, audience=None, costs={})
    office.drafts.audience = 3_000
    follow_up = replace(build_draft(DraftKind.FOLLOW_UP), corrects="n-1")
    forecast = await office.drafting.assessor.estimate(follow_up)
    assert forecast is not None
    assert (forecast.audience, forecast.costs) == (3_000, {"utility": "136.80"})
    assert len(office.drafting.assessor.list_reasons(follow_up, forecast)) == 1
