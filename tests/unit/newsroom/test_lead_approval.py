"""Amounts that only a lead approves: whatever others try, and however the price changes."""

import itertools
from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest

from services.newsroom.domain.accounts import NotPermitted, Role
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.drafts import DraftKind, DraftRefused, DraftState, NoticeDraft, Verdict
from services.newsroom.domain.outbox import NoticeForecast
from tests.factories.press_office import (
    ANNA,
    ANNA_AGAIN,
    BEN,
    CLEO,
    CONTENT,
    FORECAST,
    OTHER,
    OTTO,
    ROUTINE,
    PressOffice,
    build_office,
    make_account,
)

LEA = make_account("lea", Role.LEAD)
ANNA_AS_LEAD = make_account("anna-lead", Role.LEAD, Role.APPROVER, person="anna")
BEN_AS_LEAD = make_account("ben-lead", Role.LEAD, person="ben")
RULES = msgspec.structs.replace(ROUTINE, lead_euros=Decimal(1_000), emergency=True)
CHEAP = FORECAST
DEAR = NoticeForecast(audience=25_000, costs={"utility": "1000.01"}, duration_seconds=300)
PEOPLE = (ANNA, ANNA_AGAIN, ANNA_AS_LEAD, BEN, BEN_AS_LEAD, CLEO, LEA, OTTO)


def build_dear_office(rules: ApprovalRules = RULES) -> PressOffice:
    office = build_office(rules)
    office.notices.forecast = DEAR
    return office


async def test_a_lead_approves_what_costs_a_lot() -> None:
    office = build_dear_office()
    draft = await office.submit()
    assert (await office.drafting.approve(LEA, draft.id, 1)).state is DraftState.APPROVED
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_an_approver_alone_is_not_enough() -> None:
    office = build_dear_office()
    draft = await office.submit()
    assert (await office.drafting.approve(BEN, draft.id, 1)).state is DraftState.ESCALATED
    for publisher in (ANNA, BEN, CLEO):
        with pytest.raises(DraftRefused, match=r"Jemand mit der Rolle Leitung muss .* mehr als 1\.000,00 Euro"):
            await office.drafting.publish(publisher, draft.id, 1)
    with pytest.raises(DraftRefused, match="schon freigegeben"):
        await office.drafting.approve(BEN, draft.id, 1)
    assert (await office.drafting.approve(CLEO, draft.id, 1)).state is DraftState.ESCALATED
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)
    await office.drafting.approve(LEA, draft.id, 1)
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_nobody_is_their_own_lead() -> None:
    """Neither by a second account, nor by having the words submitted by somebody else."""
    office = build_dear_office()
    draft = await office.drafting.create(ANNA, CONTENT)
    await office.drafting.submit(BEN, draft.id, 1)
    for own in (ANNA_AS_LEAD, BEN_AS_LEAD):
        with pytest.raises(DraftRefused, match="andere Person"):
            await office.drafting.approve(own, draft.id, 1)
    await office.drafting.approve(CLEO, draft.id, 1)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)


async def test_what_was_cheap_when_it_was_approved_needs_a_lead_when_it_is_dear() -> None:
    """The approval of somebody who is a lead, too, was for less."""
    office = build_office(RULES)
    draft = await office.submit()
    approved = await office.drafting.approve(make_account("both", Role.APPROVER, Role.LEAD), draft.id, 1)
    assert approved.state is DraftState.APPROVED
    office.notices.forecast = DEAR
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)
    await office.drafting.approve(LEA, draft.id, 1)
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_a_lead_has_approved_one_version_only() -> None:
    office = build_dear_office()
    draft = await office.submit()
    await office.drafting.approve(LEA, draft.id, 1)
    await office.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(CONTENT, headline="Alle Straßen"))
    await office.drafting.submit(ANNA, draft.id, 2)
    await office.drafting.approve(BEN, draft.id, 2)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 2)


async def test_a_lead_approves_only_amounts() -> None:
    office = build_office(RULES)
    draft = await office.submit()
    for refused in (office.drafting.approve(LEA, draft.id, 1), office.drafting.send_back(LEA, draft.id, 1, "Zu teuer")):
        with pytest.raises(NotPermitted):
            await refused
    office.notices.forecast = DEAR
    assert (await office.drafting.send_back(LEA, draft.id, 1, "Zu teuer")).state is DraftState.RETURNED


async def test_without_the_amount_a_lead_approves_nothing() -> None:
    office = build_dear_office(ROUTINE)
    draft = await office.submit()
    with pytest.raises(NotPermitted):
        await office.drafting.approve(LEA, draft.id, 1)
    await office.drafting.approve(BEN, draft.id, 1)
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_a_price_that_nobody_knows_is_too_high() -> None:
    """Else it would be enough to wait until the notices API does not answer."""
    office = build_office(RULES)
    office.notices.forecast = None
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)
    office.notices.forecast = CHEAP
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_an_amount_below_what_one_person_sends_needs_a_lead_all_the_same() -> None:
    office = build_office(msgspec.structs.replace(ROUTINE, lead_euros=Decimal("0.45")))
    draft = await office.drafting.create(ANNA, CONTENT)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)


@pytest.mark.parametrize("kind", [DraftKind.UPDATE, DraftKind.FOLLOW_UP])
async def test_a_correction_and_an_all_clear_cost_money_too(kind: DraftKind) -> None:
    office = build_office(RULES)
    first = await office.drafts.find(await office.publish())
    office.notices.forecast = DEAR
    if kind is DraftKind.FOLLOW_UP:
        office.notices.forecast, office.drafts.audience = replace_costs(DEAR), 25_000
    draft = await office.drafting.create(ANNA, OTHER, kind=kind, corrects=first.notice, seen_revision=1)
    await office.drafting.submit(ANNA, draft.id, 1)
    await office.drafting.approve(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)


def replace_costs(forecast: NoticeForecast) -> NoticeForecast:
    """What the notices API says of a follow-up, whose audience it does not know."""
    return msgspec.structs.replace(forecast, audience=None, costs={})


async def test_a_withdrawal_costs_nothing() -> None:
    office = build_office(RULES)
    draft = await office.publish()
    office.notices.forecast = None
    assert (await office.drafting.withdraw(ANNA, draft, "Fällt aus")).state is DraftState.PUBLISHED


async def send_in_emergency(audience: int | None) -> tuple[PressOffice, NoticeDraft]:
    office = build_dear_office()
    draft = await office.drafting.create(ANNA, msgspec.structs.replace(CONTENT, urgent=True))
    await office.drafting.publish_emergency(ANNA, draft.id, 1, "Bombenfund")
    office.drafts.audience = audience
    return office, draft


@pytest.mark.parametrize("audience", [25_000, None])
async def test_a_lead_reviews_an_emergency_that_has_cost_a_lot(audience: int | None) -> None:
    office, draft = await send_in_emergency(audience)
    with pytest.raises(NotPermitted, match="Rolle Leitung"):
        await office.drafting.review(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="andere Person"):
        await office.drafting.review(ANNA_AS_LEAD, draft.id, 1)
    reviewed = await office.drafting.review(LEA, draft.id, 1)
    assert [(each.verdict, each.by.account) for each in reviewed.decisions][-1] == (Verdict.REVIEW, LEA.id)


async def test_an_emergency_that_has_cost_little_is_reviewed_as_before() -> None:
    office, draft = await send_in_emergency(10)
    with pytest.raises(NotPermitted):
        await office.drafting.review(LEA, draft.id, 1)
    await office.drafting.review(BEN, draft.id, 1)


THEIRS = "Jemand mit der Rolle Leitung muss die Meldung freigeben."


async def test_the_check_says_who_has_to_approve_and_whether_it_is_me() -> None:
    office = build_dear_office()
    draft = await office.submit()
    escalated = await office.drafting.approve(BEN, draft.id, 1)
    evaluate = office.drafting.assessor.evaluate
    assert (await evaluate(escalated, CLEO)).missing == THEIRS, "whose approval would not be enough"
    for account, may_approve, obstacle in ((BEN, True, "schon"), (LEA, True, None), (ANNA_AS_LEAD, True, "Eigene")):
        found = await evaluate(escalated, account)
        assert found.missing == (THEIRS if obstacle else "Die Meldung wartet auf Ihre Freigabe.")
        assert (found.may_publish, found.may_approve) == (False, may_approve)
        assert (obstacle or "") in (found.obstacle or "")
        assert (found.obstacle is None) == (obstacle is None)
    office.notices.forecast = CHEAP
    found = await evaluate(escalated, LEA)
    assert (found.missing, found.may_publish, found.may_approve) == (None, True, False)


@pytest.mark.parametrize("then", [CHEAP, DEAR, None], ids=["cheap", "dear", "unknown"])
@pytest.mark.parametrize("now", [CHEAP, DEAR, None], ids=["cheap", "dear", "unknown"])
async def test_whoever_two_approve_nothing_dear_is_sent_that_no_other_lead_wanted(
    now: NoticeForecast | None, then: NoticeForecast | None
) -> None:
    """All pairs of people, and what they approve costs what it did, more, or less, when it is published."""
    for first, second in itertools.combinations_with_replacement(PEOPLE, 2):
        office = build_office(RULES)
        office.notices.forecast = now
        draft = await office.submit()
        for approver in (first, second):
            with suppress(DraftRefused, NotPermitted):
                await office.drafting.approve(approver, draft.id, 1)
        office.notices.forecast = then
        with suppress(DraftRefused):
            await office.drafting.publish(ANNA, draft.id, 1)
        has_lead = now is not CHEAP and {first, second} & {BEN_AS_LEAD, LEA, OTTO}
        assert bool(office.drafts.published) == (then is CHEAP or bool(has_lead)), (first.login, second.login)


async def test_who_is_no_lead_any_more_has_not_approved() -> None:
    office = build_dear_office()
    draft = await office.submit()
    await office.drafting.approve(LEA, draft.id, 1)
    office.drafts.retired.add(LEA.id)
    await office.drafting.approve(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await office.drafting.publish(ANNA, draft.id, 1)
