"""Reasons for an approval, and whose: risks, costs, amounts that only a lead approves."""

import itertools
from contextlib import suppress
from dataclasses import replace
from datetime import time, timedelta
from uuid import UUID

import msgspec
import pytest

from services.newsroom.domain.accounts import Account, NotPermitted
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.drafts import (
    DraftKind,
    DraftRefused,
    DraftState,
    DraftVersion,
    NoticeDraft,
    Verdict,
    build_author,
)
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import MonthBudget
from shared.contracts.dispatch import PermittedHours
from shared.contracts.notices_http import NoticeForecast
from tests.factories.editors import (
    ANNA,
    ANNA_AS_LEAD,
    BEN,
    BEN_AS_LEAD,
    BOTH,
    CLEO,
    CONTENT,
    COUNTY,
    FORECAST,
    LEA,
    NOON,
    OTHER,
    OTTO,
    PEOPLE,
    ROUTINE,
    build_editors,
    open_editors,
)
from tests.unit.newsroom.test_approval import AMOUNTS, DEAR, LEAD, PLANNED, QUOTA, URGENT

CHEAP = FORECAST
REFUSED = NoticeForecast(problems=(QUOTA,))
THEIRS = "Jemand mit der Rolle Leitung muss die Meldung freigeben."


@pytest.mark.parametrize("then", [CHEAP, DEAR, None], ids=["cheap", "dear", "unknown"])
@pytest.mark.parametrize("now", [CHEAP, DEAR, None], ids=["cheap", "dear", "unknown"])
async def test_whoever_two_approve_nothing_dear_is_sent_that_no_other_lead_wanted(
    now: NoticeForecast | None, then: NoticeForecast | None
) -> None:
    """All pairs of people, and what they approve costs what it did, more, or less, when it is published.

    A price that nobody knows is too high; else it would be enough to wait until the notices API does not answer.
    """
    for first, second in itertools.combinations_with_replacement(PEOPLE.values(), 2):
        newsroom = build_editors(AMOUNTS)
        newsroom.notices.forecast = now
        draft = await newsroom.submit()
        for approver in (first, second):
            with suppress(DraftRefused, NotPermitted):
                await newsroom.drafting.approve(approver, draft.id, 1)
        newsroom.notices.forecast = then
        with suppress(DraftRefused):
            await newsroom.drafting.publish(ANNA, draft.id, 1)
        has_lead = now is not CHEAP and {first, second} & {BEN_AS_LEAD, BOTH, LEA, OTTO}
        assert bool(newsroom.drafts.published) == (then is CHEAP or bool(has_lead)), (first.login, second.login)


def build_draft(kind: DraftKind = DraftKind.NOTICE, **changes: object) -> NoticeDraft:
    author = build_author(ANNA)
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


def count_reasons(
    draft: NoticeDraft, rules: ApprovalRules = ROUTINE, costs: str | None = "1.00", hour: int = 11
) -> int:
    newsroom = build_editors(rules)
    newsroom.now = NOON.replace(hour=hour)
    forecast = None if costs is None else NoticeForecast(costs={"utility": costs})
    return len(newsroom.drafting.assessor.list_reasons(draft, forecast))


def test_what_is_routine_needs_nobody_and_a_withdrawal_neither_even_at_night() -> None:
    assert count_reasons(build_draft(), costs="100.00") == 0
    follow_up = build_draft(DraftKind.FOLLOW_UP)
    some = build_draft(municipalities=COUNTY.municipalities[1:])
    for draft in (follow_up, some):
        assert count_reasons(draft, msgspec.structs.replace(ROUTINE, whole_county_alone=False)) == 0
    withdrawal = replace(build_draft(DraftKind.WITHDRAWAL, urgent=True, topic="stellen"), corrects="n-1")
    assert count_reasons(withdrawal, costs=None, hour=3) == 0


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
        (
            build_draft(municipalities=COUNTY.municipalities),
            msgspec.structs.replace(ROUTINE, whole_county_alone=False),
            "1.00",
            11,
        ),
        (build_draft(), msgspec.structs.replace(ROUTINE, night_begins=time(11), night_ends=time(13)), "1.00", 11),
    ],
)
def test_each_risk_alone_needs_a_second_person(
    draft: NoticeDraft, rules: ApprovalRules, costs: str | None, hour: int
) -> None:
    assert count_reasons(draft, rules, costs, hour) == 1


@pytest.mark.parametrize(
    ("opens", "draft", "reasons"),
    [
        (8, build_draft(), 0),
        (8, build_draft(scheduled_at=NOON + timedelta(hours=20)), 0),
        (8, build_draft(urgent=True), 2),
        (5, build_draft(), 1),
    ],
    ids=["at-night", "planned-for-the-night", "urgent", "at-dawn"],
)
def test_what_waits_for_the_permitted_hours_is_sent_when_they_begin(
    opens: int, draft: NoticeDraft, reasons: int
) -> None:
    newsroom = build_editors(ROUTINE)
    newsroom.now = NOON.replace(hour=21)
    hours = PermittedHours(opens=time(opens), closes=time(20), zone="Europe/Berlin")
    assessor = replace(newsroom.drafting.assessor, hours=hours)
    assert len(assessor.list_reasons(draft, FORECAST)) == reasons


async def test_a_follow_up_costs_what_its_first_notice_did() -> None:
    newsroom = build_editors(ROUTINE)
    newsroom.notices.forecast = msgspec.structs.replace(FORECAST, audience=None, costs={})
    newsroom.drafts.audience = 3_000
    follow_up = replace(build_draft(DraftKind.FOLLOW_UP), corrects="n-1")
    forecast = await newsroom.drafting.assessor.estimate(follow_up)
    assert forecast is not None
    assert (forecast.audience, forecast.costs) == (3_000, {"utility": "136.80"})
    assert len(newsroom.drafting.assessor.list_reasons(follow_up, forecast)) == 1


@pytest.mark.parametrize("kind", [DraftKind.UPDATE, DraftKind.FOLLOW_UP])
async def test_a_correction_and_an_all_clear_cost_money_too(kind: DraftKind) -> None:
    newsroom = build_editors(AMOUNTS)
    first = await newsroom.drafts.find(await newsroom.publish())
    newsroom.notices.forecast = DEAR
    if kind is DraftKind.FOLLOW_UP:  # whose audience the notices API does not know
        newsroom.notices.forecast = msgspec.structs.replace(DEAR, audience=None, costs={})
        newsroom.drafts.audience = 25_000
    draft = await newsroom.drafting.create(ANNA, OTHER, kind=kind, corrects=first.notice, seen_revision=1)
    await newsroom.drafting.submit(ANNA, draft.id, 1)
    await newsroom.drafting.approve(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="Rolle Leitung"):
        await newsroom.drafting.publish(ANNA, draft.id, 1)


@pytest.mark.parametrize("audience", [25_000, None, 10])
async def test_a_lead_reviews_an_emergency_that_has_cost_a_lot(audience: int | None) -> None:
    newsroom = await open_editors(AMOUNTS, DEAR, URGENT)
    await newsroom.play("anna emergency")
    newsroom.drafts.audience = audience
    reviewer, other = ("ben", "lea") if audience == 10 else ("lea", "ben")
    with pytest.raises(NotPermitted):
        await newsroom.play(f"{other} review")
    with pytest.raises(DraftRefused, match="andere Person"):
        await newsroom.play("anna-lead review")
    reviewed = (await newsroom.play(f"{reviewer} review")).decisions[-1]
    assert (reviewed.verdict, reviewed.author.account) == (Verdict.REVIEW, PEOPLE[reviewer].id)


@pytest.mark.parametrize(("first", "second", "reviewer"), [(10, None, LEA), (10, 25_000, LEA), (25_000, 10, BEN)])
async def test_who_reviews_a_correction_in_an_emergency_is_decided_by_what_it_has_cost(
    first: int, second: int | None, reviewer: Account
) -> None:
    """Not by another revision of its notice, of which alone something may be known yet."""
    newsroom = await open_editors(AMOUNTS, DEAR, URGENT)
    published = await newsroom.play("anna emergency")
    correction = await newsroom.correct(ANNA, published.id, "Bis Freitag.")
    await newsroom.drafting.publish_emergency(ANNA, correction.id, 2, "Bombenfund")

    async def list_revisions(*_: str) -> list[BroadcastStatus]:
        known = {2: second, 1: first}
        return [BroadcastStatus(id=UUID(int=each), revision=each, audience=known[each]) for each in known]

    drafting = replace(newsroom.drafting, assessor=replace(newsroom.drafting.assessor, list_revisions=list_revisions))
    with pytest.raises(NotPermitted):
        await drafting.review(BEN if reviewer is LEA else LEA, correction.id, 2)
    assert (await drafting.review(reviewer, correction.id, 2)).decisions[-1].verdict is Verdict.REVIEW


async def test_the_check_says_who_has_to_approve_and_whether_it_is_me() -> None:
    newsroom = await LEAD()
    escalated = await newsroom.play("anna submit, ben approve")
    evaluate = newsroom.drafting.assessor.evaluate
    assert (await evaluate(escalated, CLEO)).missing == THEIRS, "whose approval would not be enough"
    for account, may_approve, obstacle in ((BEN, True, "schon"), (LEA, True, None), (ANNA_AS_LEAD, True, "Eigene")):
        found = await evaluate(escalated, account)
        assert found.missing == (THEIRS if obstacle else "Die Meldung wartet auf Ihre Freigabe.")
        assert (found.may_publish, found.may_approve) == (False, may_approve)
        assert (obstacle or "") in (found.obstacle or "")
        assert (found.obstacle is None) == (obstacle is None)
    newsroom.notices.forecast = CHEAP
    found = await evaluate(escalated, LEA)
    assert (found.missing, found.may_publish, found.may_approve) == (None, True, False)


@pytest.mark.parametrize(("hours", "is_invalid"), [(2, False), (4, True)])
async def test_a_quota_that_is_used_up_is_no_reason_against_an_approval(hours: int, is_invalid: bool) -> None:
    newsroom = await open_editors(forecast=msgspec.structs.replace(FORECAST, problems=(QUOTA,)), content=PLANNED)
    draft = await newsroom.play("anna submit")
    newsroom.now += timedelta(hours=hours)
    found = await newsroom.drafting.assessor.evaluate(draft, BEN)
    assert (bool(found.problems), found.is_invalid) == (True, is_invalid)


@pytest.mark.parametrize("forecast", [None, REFUSED, DEAR], ids=["unknown", "refused", "dear"])
async def test_a_withdrawal_waits_for_neither_a_price_nor_a_budget_nor_anybody(forecast: NoticeForecast | None) -> None:
    newsroom = build_editors(AMOUNTS)
    draft = await newsroom.publish()
    newsroom.notices.forecast = forecast
    newsroom.drafts.budget = MonthBudget(messages=100, used=100)
    withdrawal = await newsroom.drafting.withdraw(ANNA, draft, "Fällt aus.")
    assert (withdrawal.state, newsroom.handed_over) == (DraftState.PUBLISHED, 2)
    before, after = [each.event for each in newsroom.drafts.published]
    assert after["type"] == "de.kreisfunk.notice.withdrawn.v1"
    assert (after["subject"], after["data"]) == (before["subject"], {"reason": "Fällt aus."})


@pytest.mark.parametrize("reason", ["Siehe https://example.com/x", "Fällt\x07 aus"])
async def test_a_withdrawal_that_is_refused_leaves_no_draft(reason: str) -> None:
    newsroom = build_editors(ROUTINE)
    draft = await newsroom.publish()
    with pytest.raises(DraftRefused, match=r"Der Grund darf weder .* noch unsichtbare Zeichen enthalten\."):
        await newsroom.drafting.withdraw(ANNA, draft, reason)
    assert list(newsroom.drafts.drafts) == [draft]
