"""The newsroom without its pages, on a real PostgreSQL with the rights of its role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.adapters.event_consumer import NewsroomEventHandler
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.adapters.statistics import PostgresStatistics
from services.newsroom.domain.accounts import Account, Role
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.drafts import NoticeDraft
from services.newsroom.handlers.assessing import DraftAssessor
from services.newsroom.handlers.drafting import DraftingService
from shared.contracts.envelope import encode
from shared.contracts.events import BroadcastStarted, NoticeAccepted, Problem
from shared.contracts.message import Lane, Message
from shared.database.pool import Database
from shared.outcome import Done
from shared.runtime.clock import system_clock
from tests.databases import FreshDatabase
from tests.factories.editors import CONTENT, COUNTY, FORECAST, ROUTINE, SYSTEM, ScriptedNoticesApi
from tests.harness.newsroom import insert_account
from tests.servers import connect_to_database

ROLE = "kreisfunk_newsroom"
SOURCE = SYSTEM.sources[0]
QUOTA = Problem(field="quota", problem="is used up")


@dataclass(frozen=True, kw_only=True)
class Store:
    """One replica of the newsroom without its pages, and two people."""

    database: Database
    drafts: PostgresDraftRepository
    publications: PublicationRepository
    drafting: DraftingService
    events: NewsroomEventHandler
    statuses: BroadcastStatuses
    statistics: PostgresStatistics
    anna: Account
    ben: Account

    async def write(self) -> NoticeDraft:
        content = msgspec.structs.replace(CONTENT, expires_at=system_clock() + timedelta(days=1))
        return await self.drafting.create(self.anna, content)

    async def publish(self) -> NoticeDraft:
        draft = await self.write()
        return await self.drafting.publish(self.anna, draft.id, 1)

    async def correct(self, draft: NoticeDraft, text: str) -> NoticeDraft:
        """Ben's correction that says something else: version 2."""
        begun = await self.drafting.correct(self.ben, draft.id)
        return await self.drafting.save(self.ben, begun.id, 1, msgspec.structs.replace(begun.content, text=text))

    async def find_publication(self, draft: NoticeDraft) -> Any:
        found = await self.publications.find_newest(draft.id)
        assert found is not None
        return found

    async def answer(self, draft: NoticeDraft, *problems: Problem) -> None:
        """Record an answer of the notices API to the draft's newest publication."""
        publication = await self.find_publication(draft)
        await self.publications.record_answer(publication.id, problems, system_clock())

    async def accept(self, draft: NoticeDraft, at: datetime | None = None, **told: Any) -> None:
        """Tell that subscriptions has accepted the draft's newest publication."""
        publication = await self.find_publication(draft)
        usual: dict[str, Any] = {"notice": draft.subject, "revision": 1, "broadcast": uuid4()}
        message = NoticeAccepted(source=SOURCE, event=publication.id.hex, **{**usual, **told})
        await self.tell(message, at or system_clock())

    async def tell(self, message: Message, at: datetime, event_id: str | None = None) -> None:
        body = encode(message, event_id=event_id or uuid4().hex, source="/kreisfunk/tests", time=at)
        assert await self.events.handle(body) == Done()

    async def fetch(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.database.fetch(query, *arguments)]


def build_started(draft: NoticeDraft, revision: int) -> BroadcastStarted:
    return BroadcastStarted(
        broadcast=uuid4(),
        source=SOURCE,
        notice=draft.subject,
        revision=revision,
        topic="strassensperrungen",
        lane=Lane.BULK,
        expires_at=system_clock(),
    )


async def add_account(owner: asyncpg.Connection, name: str, person: UUID | None = None) -> Account:
    login, roles = f"{name}-{uuid4().hex[:6]}", frozenset({Role.EDITOR, Role.APPROVER})
    account = Account(id=uuid4(), login=login, name=name, person=person or uuid4(), roles=roles)
    await insert_account(owner, account)
    return account


def build_drafting(database: Database, drafts: PostgresDraftRepository, rules: ApprovalRules) -> DraftingService:
    assessor = DraftAssessor(
        drafts=drafts,
        notices=ScriptedNoticesApi(forecast=FORECAST),
        rules=rules,
        configuration=COUNTY,
        system=SYSTEM,
        clock=system_clock,
        read_budget=PostgresSendingControl(database).read_budget,
        read_sending=PostgresSendingControl(database).read_limits,
        list_revisions=BroadcastStatuses(database).list_revisions,
    )
    return DraftingService(assessor=assessor, handed_over=lambda: None)


@asynccontextmanager
async def open_store(database: FreshDatabase) -> AsyncIterator[Store]:
    async with (
        connect_to_database(database.url) as owner,
        database.open_pool(ROLE, size=10) as opened,
    ):
        yield build_store(opened, await add_account(owner, "anna"), await add_account(owner, "ben"))


def build_store(database: Database, anna: Account, ben: Account) -> Store:
    drafts = PostgresDraftRepository(database, SOURCE)
    # At any hour, so that a test at night is no other.
    rules = msgspec.structs.replace(ROUTINE, night_begins=ROUTINE.night_ends)
    return Store(
        database=database,
        drafts=drafts,
        publications=PublicationRepository(database),
        drafting=build_drafting(database, drafts, rules),
        events=NewsroomEventHandler(database=database, source=SOURCE),
        statuses=BroadcastStatuses(database),
        statistics=PostgresStatistics(database),
        anna=anna,
        ben=ben,
    )
