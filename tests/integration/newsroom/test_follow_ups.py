"""To whom a follow-up goes: to those who have the first notice, or still get it, as far as events have told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from services.newsroom.domain.drafts import DraftRefused, NoticeDraft
from services.newsroom.domain.explanations import explain_blocker, explain_problem
from services.newsroom.handlers.drafting import DraftingService
from shared.contracts.notices_http import NoticeForecast
from shared.runtime.clock import system_clock
from tests.factories.editors import CONTENT, FORECAST, ScriptedNoticesApi
from tests.harness.writing import add_broadcast
from tests.integration.newsroom.writing_store import SOURCE, Store, build_started

_NOON = datetime(2026, 11, 28, 11, tzinfo=UTC)
_ENDED = {"finished_at": _NOON}
_TAKEN_BACK = {"cancelled_at": _NOON}
_NEVER_BEGUN = {"audience": 9, "states": "{}", "started_at": None}
_NOBODY = "Niemand hat die erste Meldung bekommen."
# The notices API does not know who has what.
_UNKNOWN: NoticeForecast = msgspec.structs.replace(FORECAST, audience=None, costs={})


def create_drafting(store: Store) -> DraftingService:
    assessor = replace(store.drafting.assessor, notices=ScriptedNoticesApi(forecast=_UNKNOWN))
    return replace(store.drafting, assessor=assessor)


async def begin(store: Store, owner: asyncpg.Connection, *revisions: dict[str, object]) -> NoticeDraft:
    """A follow-up of a notice with these broadcasts."""
    first = await store.publish()
    for number, changes in enumerate(revisions, start=1):
        await add_broadcast(owner, source=SOURCE, notice=first.notice, revision=number, **changes)
    draft = await store.drafting.follow_up(store.ben, first.id)
    content = msgspec.structs.replace(
        CONTENT, headline="K 9 ist frei", expires_at=datetime.now(UTC) + timedelta(days=1)
    )
    return await store.drafting.save(store.ben, draft.id, 1, content)


@pytest.mark.parametrize(
    ("revisions", "audience", "words"),
    [
        ([{"audience": 9, "states": '{"delivered": 9}', **_ENDED}], 9, ""),
        ([{"audience": 9, "states": '{"read": 2, "cancelled": 7}', **_ENDED, **_TAKEN_BACK}], 2, ""),
        ([{"audience": 9, "states": '{"sent": 1, "accepted": 1, "expired": 4, "failed": 3}', **_ENDED}], 2, ""),
        ([{"audience": 10, "states": '{"waiting": 4, "delivered": 6}'}], 10, "4 Personen warten noch auf die erste"),
        ([{"audience": 10, "states": '{"waiting": 1, "delivered": 9}'}], 10, "Eine Person wartet noch auf die erste"),
        (
            [
                {"audience": 9, "states": '{"delivered": 3, "cancelled": 6}', **_ENDED, **_TAKEN_BACK},
                {"audience": 9, "states": '{"delivered": 9}', **_ENDED},
            ],
            12,
            "Wer mehrere Fassungen",
        ),
        ([{**_NEVER_BEGUN, **_TAKEN_BACK}, {"audience": 9, "states": '{"delivered": 9}', **_ENDED}], 9, ""),
        # Nobody has the first notice.
        ([{"audience": 9, "states": '{"cancelled": 9}', **_ENDED}], 0, _NOBODY),
        ([{**_NEVER_BEGUN, **_TAKEN_BACK}], 0, _NOBODY),
        ([{"audience": 9, "states": '{"expired": 9}', **_ENDED}], 0, _NOBODY),
        # Events have not told the end, or nothing at all: nothing is refused, and nothing counted.
        ([{"audience": 9, "states": '{"claimed": 2, "waiting": 7}', **_TAKEN_BACK}], None, ""),
        ([{"audience": 9, "states": "{}", **_TAKEN_BACK}], None, ""),
        ([{"audience": 9, "states": '{"claimed": 1, "cancelled": 8}', **_ENDED, **_TAKEN_BACK}], None, ""),
        ([{"audience": None, "states": "{}"}], None, ""),
        ([], None, ""),
    ],
)
async def test_a_follow_up_goes_to_those_who_have_the_notice_or_still_get_it(
    store: Store, owner: asyncpg.Connection, revisions: list[dict[str, object]], audience: int | None, words: str
) -> None:
    drafting, draft = create_drafting(store), await begin(store, owner, *revisions)
    found = await drafting.assessor.evaluate(draft, store.ben)
    assert found.forecast is not None
    assert found.forecast.audience == audience
    assert bool(found.forecast.costs) == bool(audience)
    assert bool(found.reasons) == (not audience), "what is not known needs two"
    problems = [explain_problem(each) for each in found.problems]
    told = [*problems, *(explain_blocker(each) for each in found.forecast.blockers)]
    assert [text.startswith(words) for text in told] == ([True] if words else [])
    assert (bool(problems), found.may_publish) == (audience == 0, bool(audience))
    if audience == 0:
        with pytest.raises(DraftRefused):
            await drafting.publish(store.ben, draft.id, 2)
    assert await store.fetch("select count(*) from newsroom.publication") == [(1,)], "the first notice only"


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [(["Grasberg"], ["Grasberg"]), (["Grasberg", "Worpswede"], ["Grasberg", "Worpswede"]), (["Grasberg", None], [])],
    ids=["one", "each", "everywhere"],
)
async def test_an_all_clear_is_in_the_archive_where_its_notice_is(
    store: Store, revisions: list[str | None], expected: list[str]
) -> None:
    """It goes to those who got any revision; its form names no municipalities."""
    first = draft = await store.write()
    for number, place in enumerate(revisions, start=1):
        content = msgspec.structs.replace(draft.content, municipalities=(place,) if place else ())
        saved = await store.drafting.save(store.ben, draft.id, 1, content)
        await store.drafting.publish(store.ben, draft.id, saved.version)
        await store.tell(build_started(draft, number), system_clock())
        if number < len(revisions):
            draft = await store.drafting.correct(store.ben, draft.id)
    begun = await store.drafting.follow_up(store.ben, first.id)
    text = msgspec.structs.replace(draft.content, municipalities=())
    clear = await store.drafting.save(store.ben, begun.id, 1, text)
    await store.drafting.publish(store.ben, clear.id, 2)
    await store.tell(build_started(clear, 1), system_clock())
    places = "select municipalities from newsroom.archive_entry where notice = $1"
    assert await store.fetch(places, clear.subject) == [(expected,)]
