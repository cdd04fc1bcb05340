"""Withdrawals: each is published when it is begun, or is nothing; one that comes back can be discarded."""

from uuid import UUID

import asyncpg
import pytest

from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, read_state
from tests.integration.newsroom.writing_store import Store

_FAIL = """
    create function newsroom.fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
    create trigger fail before insert on newsroom.publication for each row execute function newsroom.fail();
"""
_REJECT = """
    with rejected as (
        update newsroom.publication set state = 'rejected', answered_at = now(),
            problems = '[{"field": "subject", "problem": "there is no such notice"}]'
        where draft = $1 returning draft)
    update newsroom.draft set state = 'returned' from rejected where id = draft
"""


async def test_a_withdrawal_that_is_not_published_leaves_no_draft(store: Store, owner: asyncpg.Connection) -> None:
    draft = await store.publish()
    await owner.execute(_FAIL)
    with pytest.raises(asyncpg.RaiseError):
        await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    assert await store.fetch("select kind from newsroom.draft") == [("notice",)]
    await owner.execute("drop function newsroom.fail cascade")
    await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    acts = "select action from newsroom.audit where account = $1 order by id"
    assert await store.fetch(acts, store.ben.id) == [("draft.created",), ("draft.published",)]


async def test_a_withdrawal_that_was_rejected_is_discarded_by_whoever_began_it(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    await anna.act(path, "veroeffentlichen")
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Fällt aus."})).location
    await newsroom.owner.execute(_REJECT, UUID(withdrawal.split("/")[2]))
    assert "/verwerfen" not in (await ben.browser.open(withdrawal)).text
    shown = await anna.browser.open(withdrawal)
    assert f'action="{withdrawal}/verwerfen"' in shown.text
    assert "bearbeiten" not in shown.text  # nobody edits a withdrawal
    assert "Die Meldung gilt weiter." in shown.text
    discarded = await anna.send(withdrawal, "verwerfen", shown.read_value("version"))
    assert discarded.location == f"{withdrawal}?erledigt=verworfen"
    assert await read_state(newsroom.owner, withdrawal) == ("discarded", 1)
