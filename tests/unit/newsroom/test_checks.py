"""The check offers what the server does: what would be refused has no button."""

from datetime import timedelta

import msgspec
import pytest

from services.newsroom.domain.drafts import DraftRefused, DraftState
from shared.contracts.events import Problem
from tests.factories.press_office import ANNA, BEN, CONTENT, FORECAST, OTHER, ROUTINE, build_office

QUOTA = Problem(
    field="", problem="this system may publish 10 notices in an hour; the next one from 2026-11-29T12:00:00Z"
)


async def test_what_was_returned_may_not_be_sent_until_it_is_changed() -> None:
    office = build_office(ROUTINE)
    draft = await office.submit()
    returned = await office.drafting.send_back(BEN, draft.id, 1, "Wann endet es?")
    found = await office.drafting.assessor.evaluate(returned, ANNA)
    assert found.returned == "Ben hat diesen Stand zurückgegeben. Bitte überarbeiten Sie ihn zuerst."
    assert not found.may_publish
    edited = await office.drafting.save(ANNA, draft.id, 1, OTHER)
    found = await office.drafting.assessor.evaluate(edited, ANNA)
    assert (found.returned, found.may_publish) == (None, True)


async def test_what_cannot_be_sent_is_not_approved() -> None:
    office = build_office()
    planned = msgspec.structs.replace(CONTENT, scheduled_at=office.now + timedelta(hours=1))
    draft = await office.drafting.create(ANNA, planned)
    await office.drafting.submit(ANNA, draft.id, 1)
    office.now += timedelta(hours=2)
    with pytest.raises(DraftRefused, match=r"noch Fehler\. Bitte geben Sie sie mit einer Begründung zurück\."):
        await office.drafting.approve(BEN, draft.id, 1)
    assert (await office.drafts.find(draft.id)).state is DraftState.PENDING


@pytest.mark.parametrize(("minutes", "is_invalid"), [(30, False), (120, True)])
async def test_a_quota_that_is_used_up_is_no_reason_against_an_approval(minutes: int, is_invalid: bool) -> None:
    office = build_office()
    office.notices.forecast = msgspec.structs.replace(FORECAST, problems=(QUOTA,))
    planned = msgspec.structs.replace(CONTENT, scheduled_at=office.now + timedelta(hours=1))
    draft = await office.drafting.create(ANNA, planned)
    await office.drafting.submit(ANNA, draft.id, 1)
    office.now += timedelta(minutes=minutes)
    found = await office.drafting.assessor.evaluate(await office.drafts.find(draft.id), BEN)
    assert (bool(found.problems), found.is_invalid) == (True, is_invalid)
