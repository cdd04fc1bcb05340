"""An act that is being checked while its author is blocked, loses a role or is logged out: it does not survive that."""

import secrets
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import asyncpg
import msgspec
import pytest

from services.newsroom.domain.accounts import Account, NotPermitted
from services.newsroom.domain.drafts import DraftState, NoticeDraft
from services.newsroom.handlers.drafting import DraftingService
from shared.contracts.notices_http import NoticeForecast
from shared.runtime.clock import system_clock
from tests.factories.editors import CONTENT, DEEDS, FORECAST, ROUTINE
from tests.integration.newsroom.writing_store import Store, build_drafting

# At any hour and with any price, which the notices API is asked for.
_RULES = msgspec.structs.replace(
    ROUTINE, night_begins=ROUTINE.night_ends, urgent_alone=True, lead_euros=Decimal(100), emergency=True
)
_ENDS = {
    "blocked": "update newsroom.account set disabled_at = now() where id = $1",
    "role": "update newsroom.account set roles = '{lead}' where id = $1",
    "session": "update newsroom.session set revoked_at = now() where account = $1",
}


async def begin(store: Store) -> tuple[DraftingService, NoticeDraft]:
    """What Anna has submitted, and may publish alone, too."""
    drafting = build_drafting(store.database, store.drafts, _RULES)
    content = msgspec.structs.replace(CONTENT, urgent=True, expires_at=system_clock() + timedelta(days=1))
    draft = await drafting.create(store.anna, content)
    return drafting, await drafting.submit(store.anna, draft.id, 1)


async def log_in(owner: asyncpg.Connection, account: Account) -> Account:
    """As it acts in a session."""
    statement = "insert into newsroom.session (token_hash, account, csrf, stage) values ($1, $2, 'x', 'open')"
    session = secrets.token_bytes(32)
    await owner.execute(statement, session, account.id)
    return replace(account, session=session)


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize("act", ["publish", "emergency", "approve", "return"])
async def test_what_ends_while_the_price_is_asked_for_ends_the_act(
    store: Store, owner: asyncpg.Connection, act: str, end: str
) -> None:
    drafting, draft = await begin(store)
    actor = await log_in(owner, store.ben if act in ("approve", "return") else store.anna)

    async def end_meanwhile(event: bytes) -> NoticeForecast:
        await owner.execute(_ENDS[end], actor.id)
        return FORECAST

    drafting.assessor.notices.check = end_meanwhile  # type: ignore[method-assign]
    with pytest.raises(NotPermitted):
        await DEEDS[act](drafting, actor, draft.id, 1)
    assert (await store.drafts.find(draft.id)).state is DraftState.PENDING
    assert await store.fetch("select count(*) from newsroom.publication") == [(0,)]


async def test_a_session_that_has_ended_withdraws_nothing(store: Store, owner: asyncpg.Connection) -> None:
    draft, ben = await store.publish(), await log_in(owner, store.ben)
    await owner.execute(_ENDS["session"], store.ben.id)
    with pytest.raises(NotPermitted):
        await store.drafting.withdraw(ben, draft.id, "Fällt aus.")
    assert await store.fetch("select kind from newsroom.draft") == [("notice",)]


async def test_another_session_that_ends_ends_no_act(store: Store, owner: asyncpg.Connection) -> None:
    drafting, draft = await begin(store)
    await log_in(owner, store.anna)
    await owner.execute(_ENDS["session"], store.anna.id)
    anna = await log_in(owner, store.anna)
    assert (await drafting.publish(anna, draft.id, 1)).state is DraftState.PUBLISHED
