"""The month's budget stops what it does not pay for, and nothing else."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from services.newsroom.domain.drafts import DraftRefused
from services.newsroom.domain.sending import MonthBudget, SendingNumber, describe_budget, find_budget
from tests.factories.editors import ANNA, BEN, CONTENT, NOON, NUMBER, ROUTINE, build_editors


def build_number(messages_a_month: int | None, messages: int) -> SendingNumber:
    return replace(NUMBER, messages_a_month=messages_a_month, messages=messages)


@pytest.mark.parametrize(("used", "is_enough"), [(90, True), (91, False), (100, False)])
async def test_a_notice_to_more_than_the_budget_is_not_published(used: int, is_enough: bool) -> None:
    newsroom = build_editors(ROUTINE)
    newsroom.drafts.budget = MonthBudget(messages=100, used=used)  # the notice goes to 10
    draft = await newsroom.submit()
    await newsroom.drafting.approve(BEN, draft.id, 1)
    if is_enough:
        await newsroom.drafting.publish(ANNA, draft.id, 1)
    else:
        with pytest.raises(DraftRefused, match="Budget dieses Monats"):
            await newsroom.drafting.publish(ANNA, draft.id, 1)
    assert len(newsroom.drafts.published) == is_enough


async def test_a_planned_notice_asks_for_the_budget_of_its_month() -> None:
    newsroom, asked = build_editors(ROUTINE), []

    async def read_budget(at: datetime | None, *_: str | None) -> MonthBudget:
        asked.append(at)
        return MonthBudget(messages=100, used=0, promised=95, month=date(2026, 12, 1))

    assessor = replace(newsroom.drafting.assessor, read_budget=read_budget)
    planned = msgspec.structs.replace(CONTENT, scheduled_at=NOON + timedelta(hours=1))
    assessment = await assessor.evaluate(await newsroom.drafting.create(ANNA, planned), ANNA)
    assert asked == [planned.scheduled_at]
    assert not assessment.may_publish
    assert assessment.budget_obstacle is not None
    assert assessment.budget_obstacle.startswith("Das Budget für Dezember 2026 reicht nicht: Es sind noch 5 von 100")


def test_a_single_message_that_is_left_is_singular() -> None:
    told = MonthBudget(messages=100, used=99).find_obstacle(2)
    assert told == "Das Budget dieses Monats reicht nicht: Es ist noch 1 von 100 Nachrichten möglich."


def test_the_smallest_budget_counts_and_of_a_later_month_nothing_is_used_yet() -> None:
    assert find_budget([]) is None
    assert find_budget([build_number(None, 5)]) is None
    assert find_budget([build_number(500, 7), build_number(100, 7)]) == MonthBudget(messages=100, used=7)
    later = date(2026, 12, 1)
    budget = find_budget([build_number(500, 7)], promised=20, month=later)
    assert budget == MonthBudget(messages=500, used=0, promised=20, month=later)
    assert describe_budget(budget, None) == "noch 480 von 500 Nachrichten für Dezember 2026"


def test_a_budget_is_told_in_messages_and_euros() -> None:
    budget = MonthBudget(messages=40_000, used=27_655)
    assert describe_budget(budget, Decimal("0.0456")) == "noch 12.345 von 40.000 Nachrichten (etwa 563 Euro)"
    assert describe_budget(budget, None) == "noch 12.345 von 40.000 Nachrichten"
