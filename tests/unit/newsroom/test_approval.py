"""Four eyes: who may approve, and what is never sent without a second person, or without a lead."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.newsroom.domain.accounts import Account, NotPermitted
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.drafts import (
    DraftConflict,
    DraftRefused,
    DraftState,
    Verdict,
)
from shared.contracts.events import Problem
from shared.contracts.notices_http import NoticeForecast
from tests.factories.editors import (
    ANNA,
    ANNA_AGAIN,
    BEN,
    CLEO,
    CONTENT,
    DEEDS,
    FORECAST,
    LEA,
    NOON,
    OTTO,
    PEOPLE,
    ROUTINE,
    EditorialTeam,
    build_editors,
    open_editors,
)

URGENT = msgspec.structs.replace(CONTENT, urgent=True)
PLANNED = msgspec.structs.replace(URGENT, scheduled_at=NOON + timedelta(hours=3))
FORWARD = st.sampled_from(("submit", "approve", "publish"))  # often enough that some of it is sent
EMERGENCIES = ApprovalRules(emergency=True)
AMOUNTS = msgspec.structs.replace(ROUTINE, lead_euros=Decimal(1_000), emergency=True)
QUOTA = Problem(
    field="", problem="this system may publish 10 notices in an hour; the next one from 2026-11-29T12:00:00Z"
)
DEAR = NoticeForecast(audience=25_000, costs={"utility": "1000.01"}, duration_seconds=300)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ANNA, ANNA_AGAIN, BEN, CLEO, OTTO]),
            FORWARD | FORWARD | st.sampled_from(sorted(DEEDS)),
            st.sampled_from((0, 0, 0, 1)),
            st.integers(1, 3),
        ),
        min_size=20,
        max_size=40,
    )
)
def test_whatever_people_try_nothing_is_sent_that_one_human_alone_wanted(
    steps: list[tuple[Account, str, int, int]],
) -> None:
    asyncio.run(_try_everything(steps))


async def _try_everything(steps: list[tuple[Account, str, int, int]]) -> None:
    newsroom = build_editors()
    await newsroom.drafting.create(ANNA, CONTENT)
    for account, name, behind, word in steps:
        (draft,) = newsroom.drafts.drafts.values()
        with suppress(DraftRefused, DraftConflict, NotPermitted):
            seen = draft.version - behind
            if name == "save":
                content = msgspec.structs.replace(CONTENT, headline=f"K {word} gesperrt")
                await newsroom.drafting.save(account, draft.id, seen, content)
            else:
                await DEEDS[name](newsroom.drafting, account, draft.id, seen)
    (draft,) = newsroom.drafts.drafts.values()
    assert len(newsroom.drafts.published) == (draft.state is DraftState.PUBLISHED)
    for publication in newsroom.drafts.published:
        said = [each for each in draft.decisions if each.version == publication.version]
        approvers = {each.author.person for each in said if each.verdict is Verdict.APPROVE}
        asked = {each.author.person for each in said if each.verdict is Verdict.SUBMIT}
        assert approvers - asked - {draft.newest.author.person}
        assert Verdict.RETURN not in {each.verdict for each in said}
        assert publication.version == draft.version
        assert publication.event["data"]["headline"] == draft.content.headline


Setting = Callable[[], Awaitable[EditorialTeam]]
TWO = partial(open_editors)
ALONE = partial(open_editors, ROUTINE)
UNKNOWN_COSTS = partial(open_editors, ROUTINE, None)
EMERGENCY = partial(open_editors, EMERGENCIES, content=URGENT)
LEAD = partial(open_editors, AMOUNTS, DEAR)
ACTIONS = {
    "save": "draft.saved",
    "submit": "draft.submitted",
    "approve": "draft.approved",
    "return": "draft.returned",
    "publish": "draft.published",
    "emergency": "draft.published_in_emergency",
    "review": "draft.reviewed",
    "discard": "draft.discarded",
}


@pytest.mark.parametrize(
    ("setting", "story", "state"),
    [
        (TWO, "anna submit, ben approve, anna publish", DraftState.PUBLISHED),
        (TWO, "ben submit, cleo approve, anna publish", DraftState.PUBLISHED),
        (TWO, "anna submit, ben approve, ben retire, cleo approve, anna publish", DraftState.PUBLISHED),
        (TWO, "anna submit, ben approve, ben retire, ben come-back, anna publish", DraftState.PUBLISHED),
        (TWO, "anna discard", DraftState.DISCARDED),
        (ALONE, "anna publish", DraftState.PUBLISHED),
        (ALONE, "anna submit, ben return, anna save, anna publish", DraftState.PUBLISHED),
        (UNKNOWN_COSTS, "anna submit, ben approve, anna publish", DraftState.PUBLISHED),
        (EMERGENCY, "anna emergency, ben review", DraftState.PUBLISHED),
        (LEAD, "anna submit, lea approve", DraftState.APPROVED),
        (LEAD, "anna submit, lea approve, anna publish", DraftState.PUBLISHED),
        (LEAD, "anna submit, ben approve, cleo approve", DraftState.ESCALATED),
        (LEAD, "anna submit, ben approve, cleo approve, lea approve, anna publish", DraftState.PUBLISHED),
        (LEAD, "anna submit, lea return", DraftState.RETURNED),
        (partial(open_editors, ROUTINE, DEAR), "anna submit, ben approve, anna publish", DraftState.PUBLISHED),
    ],
)
async def test_what_enough_people_agree_to_is_done(setting: Setting, story: str, state: DraftState) -> None:
    newsroom = await setting()
    draft = await newsroom.play(story)
    assert draft.state is state
    assert newsroom.handed_over == len(newsroom.drafts.published) == (state is DraftState.PUBLISHED)
    told = [ACTIONS[deed] for _, deed in map(str.split, story.split(", ")) if deed in ACTIONS]
    assert [each.action for each in newsroom.drafts.acts] == ["draft.created", *told]


@pytest.mark.parametrize(
    ("setting", "story", "refusal"),
    [
        # Own notices, by whatever account, and the words of another that somebody has submitted.
        (TWO, "anna submit, anna approve", "andere Person"),
        (TWO, "anna submit, anna-oidc approve", "andere Person"),
        (TWO, "ben submit, anna approve", "andere Person"),
        (TWO, "ben submit, ben approve", "andere Person"),
        (TWO, "ben discard", "Nur Anna"),
        # In another order.
        (TWO, "ben approve", "wartet nicht"),
        (TWO, "ben return", "wartet nicht"),
        (TWO, "anna submit, anna submit", "schon zur Freigabe"),
        # An approval is of one version, and of somebody who may still give it.
        (TWO, "anna submit, anna publish", "zweite Person"),
        (TWO, "anna submit, ben approve, anna save, anna publish", "zweite Person"),
        (TWO, "anna submit, ben approve, cleo approve", "wartet nicht"),
        (TWO, "anna submit, ben approve, ben retire, anna publish", "zweite Person"),
        (TWO, "anna submit, ben approve, ben retire, anna-oidc approve", "andere Person"),
        # What was returned is edited before it goes on.
        (TWO, "anna submit, ben approve, cleo return, anna publish", "Cleo hat diesen Stand"),
        (ALONE, "anna submit, ben return, anna submit", "Ben hat diesen Stand"),
        (ALONE, "anna submit, ben return, anna publish", "Ben hat diesen Stand"),
        # What breaks a rule.
        (partial(open_editors, ROUTINE, content=msgspec.structs.replace(CONTENT, text="")), "anna submit", "Fehler"),
        (partial(open_editors, ROUTINE, content=msgspec.structs.replace(CONTENT, text="")), "anna publish", "Fehler"),
        (
            partial(open_editors, ROUTINE, msgspec.structs.replace(FORECAST, problems=(QUOTA,))),
            "anna publish",
            "Fehler",
        ),
        (UNKNOWN_COSTS, "anna publish", "nicht bekannt"),
        # Emergencies.
        (partial(open_editors, EMERGENCIES), "anna emergency", "nur für Eilmeldungen"),
        (partial(open_editors, content=URGENT), "anna emergency", "nicht eingerichtet"),
        (partial(open_editors, EMERGENCIES, content=PLANNED), "anna emergency", "Was geplant ist"),
        (EMERGENCY, "anna emergency, anna review", "andere Person"),
        (EMERGENCY, "anna emergency, anna-oidc review", "andere Person"),
        (EMERGENCY, "ben emergency, ben review", "andere Person"),
        (EMERGENCY, "anna emergency, ben review, cleo review", "nichts nachträglich"),
        (ALONE, "anna publish, ben review", "nichts nachträglich"),
        # What costs so much that a lead has to approve.
        (LEAD, "anna submit, ben approve, anna publish", r"Jemand mit der Rolle Leitung muss .* als 1\.000,00 Euro"),
        (LEAD, "anna submit, ben approve, cleo publish", "Rolle Leitung"),
        (LEAD, "anna submit, ben approve, ben approve", "schon freigegeben"),
        (LEAD, "ben submit, anna-lead approve", "andere Person"),
        (LEAD, "ben submit, ben-lead approve", "andere Person"),
        (LEAD, "anna submit, lea approve, anna save, anna submit, ben approve, anna publish", "Rolle Leitung"),
        (LEAD, "anna submit, lea approve, lea retire, ben approve, anna publish", "Rolle Leitung"),
        (
            partial(open_editors, msgspec.structs.replace(ROUTINE, lead_euros=Decimal("0.45"))),
            "anna publish",
            "Rolle Leitung",
        ),
    ],
)
async def test_what_too_few_want_is_refused_and_the_check_does_not_offer_it(
    setting: Setting, story: str, refusal: str
) -> None:
    newsroom = await setting()
    before, _, last = story.rpartition(", ")
    draft = await newsroom.play(before)
    with pytest.raises(DraftRefused, match=refusal):
        await newsroom.play(last)
    assert await newsroom.drafts.find(draft.id) == draft
    if last.endswith("publish"):
        found = await newsroom.drafting.assessor.evaluate(draft, PEOPLE[last.split()[0]])
        assert not found.may_publish


@pytest.mark.parametrize(
    ("setting", "story"),
    [
        (ALONE, "otto publish"),
        (partial(open_editors, AMOUNTS), "anna submit, lea approve"),
        (partial(open_editors, AMOUNTS), "anna submit, lea return"),
        (partial(open_editors, ROUTINE, DEAR), "anna submit, lea approve"),
    ],
)
async def test_a_lead_approves_amounts_only_and_who_operates_sends_nothing(setting: Setting, story: str) -> None:
    newsroom = await setting()
    with pytest.raises(NotPermitted):
        await newsroom.play(story)


async def test_a_return_and_an_emergency_need_a_reason() -> None:
    newsroom = await EMERGENCY()
    draft = await newsroom.play("anna submit")
    with pytest.raises(DraftRefused, match="was zu ändern ist"):
        await newsroom.drafting.send_back(BEN, draft.id, 1, " \n ")
    with pytest.raises(DraftRefused, match="warum"):
        await newsroom.drafting.publish_emergency(ANNA, draft.id, 1, "")
    returned = await newsroom.drafting.send_back(BEN, draft.id, 1, " Wann   endet es? ")
    assert returned.decisions[-1].reason == "Wann endet es?"


async def test_a_review_of_one_version_is_none_of_the_next_emergency() -> None:
    newsroom = await EMERGENCY()
    draft = await newsroom.play("anna emergency, ben review")
    newsroom.drafts.drafts[draft.id] = replace(draft, state=DraftState.RETURNED)
    await newsroom.drafting.save(ANNA, draft.id, 1, msgspec.structs.replace(URGENT, headline="K 10 gesperrt"))
    reviewed = await newsroom.play("anna emergency, ben review")
    assert [each.version for each in reviewed.decisions if each.verdict is Verdict.REVIEW] == [1, 2]


@pytest.mark.parametrize("seen", [1, 2])
@pytest.mark.parametrize(("deed", "by"), [("approve", LEA), ("return", LEA), ("publish", ANNA)])
async def test_what_is_saved_while_its_price_is_asked_for_is_judged_by_nobody_who_knows_one_version_only(
    deed: str, by: Account, seen: int
) -> None:
    newsroom = await open_editors(AMOUNTS)
    draft = await newsroom.play("anna submit")

    async def save_meanwhile(event: bytes) -> NoticeForecast:
        await newsroom.play("anna save, anna submit")
        return FORECAST if deed == "publish" else DEAR

    newsroom.drafting.assessor.notices.check = save_meanwhile  # type: ignore[method-assign]
    with pytest.raises(DraftConflict):
        await DEEDS[deed](newsroom.drafting, by, draft.id, seen)
    found = await newsroom.drafts.find(draft.id)
    assert (found.state, newsroom.drafts.published) == (DraftState.PENDING, [])
