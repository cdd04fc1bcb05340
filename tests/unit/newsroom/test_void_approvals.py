"""Approvals of somebody who may approve no more."""

import pytest

from services.newsroom.domain.drafts import DraftRefused, DraftState
from tests.factories.press_office import ANNA, ANNA_AGAIN, BEN, CLEO, build_office


async def test_an_approval_counts_only_while_its_giver_may_approve() -> None:
    office = build_office()
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    with pytest.raises(DraftRefused, match="wartet nicht"):
        await office.drafting.approve(CLEO, draft.id, 1)
    office.drafts.retired.add(BEN.id)
    with pytest.raises(DraftRefused, match="zweite Person"):
        await office.drafting.publish(ANNA, draft.id, 1)
    with pytest.raises(DraftRefused, match="andere Person"):
        await office.drafting.approve(ANNA_AGAIN, draft.id, 1)
    await office.drafting.approve(CLEO, draft.id, 1)
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED


async def test_who_may_approve_again_has_approved() -> None:
    office = build_office()
    draft = await office.submit()
    await office.drafting.approve(BEN, draft.id, 1)
    office.drafts.retired.add(BEN.id)
    with pytest.raises(DraftRefused, match="zweite Person"):
        await office.drafting.publish(ANNA, draft.id, 1)
    office.drafts.retired.clear()
    assert (await office.drafting.publish(ANNA, draft.id, 1)).state is DraftState.PUBLISHED
