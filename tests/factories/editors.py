"""Drafts in memory, a scripted notices API, and the editors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid5

import msgspec

from deploy.paths import CONFIG
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.domain.accounts import Account, Role
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.audit import Act
from services.newsroom.domain.drafts import (
    DraftContent,
    DraftKind,
    DraftNotFound,
    DraftVersion,
    NoticeDraft,
    PublishedRevision,
)
from services.newsroom.domain.outbox import (
    DecideDraft,
    DecidePublication,
    NoticePublication,
)
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import MonthBudget, SendingNumber, SendingOverview
from services.newsroom.handlers.assessing import DraftAssessor
from services.newsroom.handlers.drafting import DraftingService
from shared.contracts.notices_http import NoticeForecast
from shared.notices.configuration import Configuration, System, read_configuration
from shared.runtime.notices_api import HttpNoticesApi, NoticesApiUnavailable

NOON = datetime(2026, 11, 25, 11, tzinfo=UTC)
_NAMES = UUID(int=1)
COUNTY = read_configuration(Path(CONFIG / "county.toml"), Configuration)
SYSTEM = System(name="redaktion", sources=("/landkreis/redaktion",), topics=tuple(sorted(COUNTY.topic_ids)))
CONTENT = DraftContent(
    topic="strassensperrungen",
    headline="K 9 gesperrt",
    text="Die Umleitung ist ausgeschildert.",
    expires_at=NOON + timedelta(days=1),
)
OTHER = msgspec.structs.replace(CONTENT, text="Bis Freitag.")
ROUTINE = ApprovalRules(routine_topics=("strassensperrungen",), max_euros=Decimal(100), whole_county_alone=True)
FORECAST = NoticeForecast(audience=10, costs={"utility": "0.46"}, duration_seconds=1)

NUMBER = SendingNumber(
    number="1",
    ceiling=80.0,
    permitted=80.0,
    paused_reason=None,
    paused_by_operator=False,
    people_a_day=1000,
    people=400,
    messages_a_month=None,
    messages=0,
    unreachable_since=None,
)


def make_account(login: str, *roles: Role, person: str | None = None) -> Account:
    """Return an account; accounts of the same human have the same `person`."""
    return Account(
        id=uuid5(_NAMES, login),
        login=login,
        name=login.capitalize(),
        person=uuid5(_NAMES, f"person {person or login}"),
        roles=frozenset(roles),
    )


ANNA = make_account("anna", Role.EDITOR, Role.APPROVER)
ANNA_AGAIN = make_account("anna-oidc", Role.EDITOR, Role.APPROVER, person="anna")
BEN = make_account("ben", Role.EDITOR, Role.APPROVER)
CLEO = make_account("cleo", Role.APPROVER)
OTTO = make_account("otto", Role.OPERATOR, Role.LEAD)
LEA = make_account("lea", Role.LEAD)
ANNA_AS_LEAD = make_account("anna-lead", Role.LEAD, Role.APPROVER, person="anna")
BEN_AS_LEAD = make_account("ben-lead", Role.LEAD, person="ben")
BOTH = make_account("both", Role.APPROVER, Role.LEAD)
PEOPLE = {
    account.login: account for account in (ANNA, ANNA_AGAIN, BEN, CLEO, OTTO, LEA, ANNA_AS_LEAD, BEN_AS_LEAD, BOTH)
}


@dataclass
class DraftsInMemory(PostgresDraftRepository):
    """Draft repository in memory; `acts` is the audit log, `published` the outbox.

    `retired` accounts may no longer approve; `budget` is the month's, `sending` has the limits of sending.
    """

    drafts: dict[UUID, NoticeDraft] = field(default_factory=dict)
    versions: dict[UUID, list[DraftVersion]] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    published: list[NoticePublication] = field(default_factory=list)
    audience: int | None = None
    retired: set[UUID] = field(default_factory=set)
    budget: MonthBudget | None = None
    sending: SendingOverview = field(default_factory=SendingOverview)

    async def create(self, draft: NoticeDraft, act: Act) -> NoticeDraft:
        self._add(draft, act)
        return await self.find(draft.id)

    async def create_published(self, draft: NoticeDraft, act: Act, decide: DecidePublication) -> NoticeDraft:
        self._add(draft, act)
        return await self.publish(draft.id, decide)

    def _add(self, draft: NoticeDraft, act: Act) -> None:
        self.drafts[draft.id] = draft
        self.versions[draft.id] = [draft.newest]
        self.acts.append(act)

    async def find(self, draft: UUID) -> NoticeDraft:
        if draft not in self.drafts:
            raise DraftNotFound
        stored = self.drafts[draft]
        revisions = [entry.revision for entry in self.published if self.drafts[entry.draft].subject == stored.subject]
        decisions = tuple(
            replace(decision, is_void=decision.is_approval and decision.author.account in self.retired)
            for decision in stored.decisions
        )
        own = [entry.revision for entry in self.published if entry.draft == draft]
        revision, own_revision = max(revisions, default=0), max(own, default=0)
        earlier = self._find_revision(stored.corrects) if stored.corrects else None
        return replace(stored, earlier=earlier, revision=revision, own_revision=own_revision, decisions=decisions)

    def _find_revision(self, notice: str) -> PublishedRevision:
        sent = [entry for entry in self.published if self.drafts[entry.draft].kind is not DraftKind.WITHDRAWAL]
        newest = max(
            (entry for entry in sent if self.drafts[entry.draft].subject == notice), key=lambda entry: entry.revision
        )
        content = self.versions[newest.draft][newest.version - 1].content
        return PublishedRevision(draft=newest.draft, revision=newest.revision, content=content)

    async def publish(self, draft: UUID, decide: DecidePublication) -> NoticeDraft:
        return await self.change(draft, lambda current: decide(current, self.budget))

    async def change(self, draft: UUID, decide: DecideDraft) -> NoticeDraft:
        before = await self.find(draft)
        change = decide(before)
        if change is None:
            return before
        after = replace(
            before,
            state=change.state,
            changed_at=change.changed_at,
            newest=change.version or before.newest,
            emergency=change.emergency if change.publication else before.emergency,
            decisions=(*before.decisions, change.decision) if change.decision else before.decisions,
        )
        self.drafts[draft] = after
        self.acts.append(change.act)
        if change.version:
            self.versions[draft].append(change.version)
        if change.publication:
            self.published.append(change.publication)
        return await self.find(draft)

    async def list_recent_headlines(self, topic: str, since: datetime, excluded: str) -> Sequence[tuple[str, datetime]]:
        return []

    async def list_revisions(self, source: str, notice: str) -> Sequence[BroadcastStatus]:
        """Return the broadcast that went to `audience` people, if that is known."""
        if self.audience is None:
            return []
        states = {"delivered": self.audience}
        return [BroadcastStatus(id=UUID(int=1), revision=1, audience=self.audience, states=states, finished_at=NOON)]


@dataclass
class ScriptedNoticesApi(HttpNoticesApi):
    """A notices API that answers checks with `forecast`, None means not at all; `checked` records the requests."""

    forecast: NoticeForecast | None = FORECAST
    checked: list[bytes] = field(default_factory=list)

    async def check(self, event: bytes) -> NoticeForecast:
        self.checked.append(event)
        if self.forecast is None:
            raise NoticesApiUnavailable("nobody answers")
        return self.forecast


@dataclass
class EditorialTeam:
    """Editors of a newsroom; `now` is their clock."""

    drafts: DraftsInMemory
    notices: ScriptedNoticesApi
    drafting: DraftingService
    now: datetime = NOON
    handed_over: int = 0

    async def submit(self) -> NoticeDraft:
        """Create a draft of Anna's and submit it for approval."""
        draft = await self.drafting.create(ANNA, CONTENT)
        return await self.drafting.submit(ANNA, draft.id, 1)

    async def play(self, story: str, draft: NoticeDraft | None = None) -> NoticeDraft:
        """Let people act on a draft, by default the first, as in `anna submit, ben approve`, on its newest version.

        An account that retires may not approve until it comes back.
        """
        identifier = draft.id if draft else next(iter(self.drafts.drafts))
        for login, deed in map(str.split, filter(None, story.split(", "))):
            account = PEOPLE[login]
            if deed == "retire":
                self.drafts.retired.add(account.id)
            elif deed == "come-back":
                self.drafts.retired.remove(account.id)
            else:
                await DEEDS[deed](self.drafting, account, identifier, self.drafts.drafts[identifier].version)
        return await self.drafts.find(identifier)

    async def publish(self) -> UUID:
        """Publish a draft of Anna's that needs no approval; return its id."""
        draft = await self.drafting.create(ANNA, CONTENT)
        await self.drafting.publish(ANNA, draft.id, 1)
        return draft.id

    async def correct(self, account: Account, draft: UUID, text: str) -> NoticeDraft:
        """Begin a correction and save it with this text, as version 2."""
        correction = await self.drafting.correct(account, draft)
        content = msgspec.structs.replace(correction.content, text=text)
        return await self.drafting.save(account, correction.id, 1, content)


# An action of an account on a version of a draft.
Deed = Callable[[DraftingService, Account, UUID, int], Awaitable[NoticeDraft]]
DEEDS: Mapping[str, Deed] = {
    "save": lambda drafting, account, draft, version: drafting.save(account, draft, version, OTHER),
    "submit": DraftingService.submit,
    "approve": DraftingService.approve,
    "return": lambda drafting, account, draft, version: drafting.send_back(account, draft, version, "Bitte kürzer."),
    "publish": DraftingService.publish,
    "emergency": lambda drafting, account, draft, version: drafting.publish_emergency(
        account, draft, version, "Bombenfund"
    ),
    "discard": DraftingService.discard,
    "review": DraftingService.review,
}


def build_editors(rules: ApprovalRules | None = None) -> EditorialTeam:
    """Build the editors; without rules, everything needs two people."""
    drafts, notices = DraftsInMemory(), ScriptedNoticesApi()
    editors: EditorialTeam

    def count() -> None:
        editors.handed_over += 1

    async def read_budget(*_: object) -> MonthBudget | None:
        return drafts.budget

    async def read_sending() -> SendingOverview:
        return drafts.sending

    assessor = DraftAssessor(
        drafts=drafts,
        notices=notices,
        rules=rules or ApprovalRules(),
        configuration=COUNTY,
        system=SYSTEM,
        clock=lambda: editors.now,
        read_budget=read_budget,
        read_sending=read_sending,
        list_revisions=drafts.list_revisions,
    )
    drafting = DraftingService(assessor=assessor, handed_over=count)
    editors = EditorialTeam(drafts=drafts, notices=notices, drafting=drafting)
    return editors


async def open_editors(
    rules: ApprovalRules | None = None,
    forecast: NoticeForecast | None = FORECAST,
    content: DraftContent = CONTENT,
) -> EditorialTeam:
    """Build editors of whom Anna has begun a draft."""
    editors = build_editors(rules)
    editors.notices.forecast = forecast
    await editors.drafting.create(ANNA, content)
    return editors
