"""A notice took effect although its repetition was refused, and its editor has sent it once more before that was known.

As when the answer to the first request is lost, and by the second one the token has fewer topics.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.newsroom.domain.archive import derive_code
from services.newsroom.domain.drafts import NoticeDraft
from shared.contracts.events import BroadcastStarted, NoticeAccepted
from shared.contracts.message import Lane
from shared.runtime.clock import system_clock
from tests.integration.newsroom.writing_store import QUOTA, SOURCE, Store

BROADCAST = UUID(int=77)


def build_events(draft: NoticeDraft, first: UUID, at: datetime) -> tuple[NoticeAccepted, BroadcastStarted]:
    """Build what is told of the first publication."""
    usual: dict[str, Any] = {"source": SOURCE, "notice": draft.subject, "revision": 1, "broadcast": BROADCAST}
    started = BroadcastStarted(**usual, topic="strassensperrungen", lane=Lane.BULK, expires_at=at + timedelta(hours=1))
    return NoticeAccepted(**usual, event=first.hex), started


@pytest.mark.parametrize("is_started_first", [False, True])
async def test_the_archive_has_what_took_effect(store: Store, is_started_first: bool) -> None:
    draft, at = await store.publish(), system_clock()
    first = await store.find_publication(draft)
    accepted, started = build_events(draft, first.id, at)
    await store.answer(draft, QUOTA)
    if is_started_first:
        await store.tell(started, at)
    await store.drafting.publish(store.anna, draft.id, 1)
    await store.tell(accepted, at)
    if not is_started_first:
        await store.tell(started, at)
    entries = await store.fetch("select code, published_at from newsroom.archive_entry")
    assert entries == [(derive_code(first.id), at)]
