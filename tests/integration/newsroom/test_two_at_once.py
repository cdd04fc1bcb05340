"""Any two acts of editors, events or answers at once have the outcome of one after the other.

The second begins after each statement of the first.
"""

import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count, product
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec
import pytest

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.domain.accounts import Account, NotPermitted
from services.newsroom.domain.audit import Act
from services.newsroom.domain.drafts import DraftConflict, DraftRefused, NoticeDraft
from services.newsroom.handlers import drafting
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FeedbackErased,
    FeedbackReceived,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.message import Lane, Message
from shared.runtime.clock import system_clock
from tests.concurrency import Operation, open_race, read_rows
from tests.databases import FreshDatabase
from tests.integration.newsroom.writing_store import QUOTA, ROLE, SOURCE, Store, build_store

PAIRS = int(os.environ.get("KREISFUNK_TEST_PAIRS", "150")) // 3
BROADCAST, WAITING_BROADCAST = UUID(int=1), UUID(int=2)
FEEDBACK, SUBSCRIBER = UUID(int=3), UUID(int=4)
# They differed once, or would without a lock of their own.
KNOWN_PAIRS = (
    ("anna withdraws the published", "the API refuses"),
    ("anna saves the draft", "ben saves the draft"),
    ("anna publishes the draft", "ben publishes the draft"),
    ("ben approves the submitted", "anna saves the submitted"),
    ("event: erasure", "event: feedback"),
)
TOPIC = "strassensperrungen"
# The name of the running operation, and how many ids it has made.
ids_of: ContextVar[tuple[str, Any]] = ContextVar("ids_of", default=("preparation", count()))


@dataclass(frozen=True, kw_only=True)
class PreparedDrafts:
    """Drafts in each state: nobody has answered to the published one yet, and the accepted one is a broadcast."""

    draft: NoticeDraft
    submitted: NoticeDraft
    published: NoticeDraft
    accepted: NoticeDraft
    publication: UUID
    at: datetime


async def prepare_drafts(store: Store) -> PreparedDrafts:
    draft, submitted, published, accepted = [await store.write() for _ in range(4)]
    await store.drafting.submit(store.anna, submitted.id, 1)
    for each in (published, accepted):
        await store.drafting.publish(store.anna, each.id, 1)
    await store.accept(accepted, broadcast=BROADCAST)
    publication = await store.find_publication(published)
    return PreparedDrafts(
        draft=draft,
        submitted=submitted,
        published=published,
        accepted=accepted,
        publication=publication.id,
        at=system_clock(),
    )


def make_id() -> UUID:
    """Return the next id of the running operation, which is the same whenever it is played."""
    name, numbers = ids_of.get()
    return uuid5(UUID(int=0), f"{name} {next(numbers)}")


async def read_newsroom(connection: asyncpg.Connection, table: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows; the numbers of acts are in the order of commits."""
    return [
        {name: value for name, value in row.items() if (table, name) != ("newsroom.audit", "id")}
        for row in await read_rows(connection, table)
    ]


def build_operation(name: str, editors: Store, act: Callable[[Store], Awaitable[object]]) -> Operation:
    async def run(database: Any) -> None:
        ids_of.set((name, count()))
        with suppress(DraftConflict, DraftRefused, NotPermitted):
            await act(build_store(database, editors.anna, editors.ben))

    return Operation(ROLE, run)


def list_events(drafts: PreparedDrafts) -> Mapping[str, Message]:
    waiting: dict[str, Any] = {"source": SOURCE, "notice": drafts.published.notice}
    running: dict[str, Any] = {"source": SOURCE, "notice": drafts.accepted.notice}
    event, at, expires_at = drafts.publication.hex, drafts.at, drafts.at + timedelta(days=1)
    start = partial(BroadcastStarted, revision=1, topic=TOPIC, lane=Lane.BULK, expires_at=expires_at)
    return {
        "acceptance": NoticeAccepted(**waiting, event=event, revision=1, broadcast=WAITING_BROADCAST),
        "rejection": NoticeRejected(**waiting, event=event, problems=(QUOTA,)),
        "start": start(**waiting, broadcast=WAITING_BROADCAST),
        "start of the accepted": start(**running, broadcast=BROADCAST),
        "progress": BroadcastProgressed(broadcast=BROADCAST, audience=10, states={"accepted": 4, "waiting": 6}),
        "all sent": BroadcastProgressed(broadcast=BROADCAST, audience=10, states={"accepted": 10}),
        "end": BroadcastFinished(broadcast=BROADCAST, audience=10, states={"accepted": 10}),
        "cancellation": BroadcastCancelled(**running, broadcast=BROADCAST, reason="Abgesagt"),
        "withdrawal": NoticeAccepted(**running, event="other", revision=1, action=NoticeAction.WITHDRAWN),
        "feedback": FeedbackReceived(
            feedback=FEEDBACK, kind="rating", value="good", text="", topic=TOPIC, broadcast=BROADCAST, at=at
        ),
        "erasure": FeedbackErased(feedback=(FEEDBACK,), at=at),
        "subscription": SubscriptionStarted(subscriber=SUBSCRIBER, sequence=1, topics=(TOPIC,), at=at),
        "unsubscription": SubscriptionEnded(subscriber=SUBSCRIBER, sequence=2, topic=None, at=at, was_subscribed=True),
    }


def list_acts(account: Account, draft: NoticeDraft) -> Mapping[str, Callable[[Store], Awaitable[object]]]:
    """Return everything that somebody can do with a draft whose first version they have read."""
    content = msgspec.structs.replace(draft.content, text=f"Von {account.name}.")
    return {
        "submits": lambda store: store.drafting.submit(account, draft.id, 1),
        "approves": lambda store: store.drafting.approve(account, draft.id, 1),
        "discards": lambda store: store.drafting.discard(account, draft.id, 1),
        "publishes": lambda store: store.drafting.publish(account, draft.id, 1),
        "saves": lambda store: store.drafting.save(account, draft.id, 1, content),
        "returns": lambda store: store.drafting.send_back(account, draft.id, 1, "Bitte kürzer"),
        "corrects": lambda store: store.drafting.correct(account, draft.id),
        "withdraws": lambda store: store.drafting.withdraw(account, draft.id, "Falsch"),
    }


def build_operations(editors: Store, drafts: PreparedDrafts) -> Mapping[str, Operation]:
    publication, at = drafts.publication, drafts.at
    blocked = Act(account=editors.ben.id, action="account.disabled", object=editors.anna.login)
    acts: dict[str, Callable[[Store], Awaitable[object]]] = {
        "the API accepts": lambda store: store.publications.record_answer(publication, (), at),
        "the API refuses": lambda store: store.publications.record_answer(publication, (QUOTA,), at),
        "the API is away": lambda store: store.publications.record_failure(publication, at + timedelta(seconds=5)),
        "a block": lambda store: PostgresAccountRepository(store.database).disable(editors.anna.id, at, blocked),
    }
    for name, message in list_events(drafts).items():
        acts[f"event: {name}"] = partial(Store.tell, message=message, at=at, event_id=name)
    for who in (editors.anna, editors.ben):
        for state in ("draft", "submitted", "published", "accepted"):
            for verb, act in list_acts(who, getattr(drafts, state)).items():
                acts[f"{who.name} {verb} the {state}"] = act
    return {name: build_operation(name, editors, act) for name, act in acts.items()}


async def test_two_acts_at_once_leave_what_one_after_the_other_leaves(
    store: Store, database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "uuid4", make_id)
    operations = build_operations(store, await prepare_drafts(store))
    pairs = list(product(operations, repeat=2))
    async with open_race(database, "newsroom", operations, read_newsroom) as race:
        for pair in (*KNOWN_PAIRS, *random.sample(pairs, min(PAIRS, len(pairs)))):
            assert "\n".join(await race.find_differences(*pair)) == ""


async def test_an_event_or_answer_that_was_cut_off_is_repeated_without_a_difference(
    store: Store, database: FreshDatabase
) -> None:
    operations = build_operations(store, await prepare_drafts(store))
    async with open_race(database, "newsroom", operations, read_newsroom) as race:
        for name in operations:
            if name.startswith(("event", "the API accepts", "the API refuses")):
                assert "\n".join(await race.find_losses(name)) == ""
