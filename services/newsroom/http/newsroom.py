"""Container of the components shared by pages and background work."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.audit import PostgresAuditLog
from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.adapters.event_consumer import NewsroomEventHandler
from services.newsroom.adapters.identity_provider import OidcProvider
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.adapters.queue_counts import QueueCounts
from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.adapters.statistics import PostgresStatistics
from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.domain.drafts import DraftContent
from services.newsroom.domain.login import SessionLimits
from services.newsroom.domain.preview import EXAMPLE_CODE, Preview, TemplateText, build_preview
from services.newsroom.domain.progress import BroadcastList
from services.newsroom.handlers.account_admin import AccountAdministration
from services.newsroom.handlers.assessing import DraftAssessor
from services.newsroom.handlers.audience_survey import AudienceSurvey
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.login import LoginService
from services.newsroom.handlers.operating import OperatingService
from services.newsroom.handlers.provider_login import ProviderLogin
from services.newsroom.handlers.publishing import PublicationOutbox
from services.newsroom.handlers.trials import TrialService
from services.newsroom.handlers.watching import ChangeWatch
from services.newsroom.http.cookies import CookieJar
from shared.database.pool import Database
from shared.encryption import KeyRing
from shared.notices.configuration import System
from shared.runtime.client_address import Network
from shared.runtime.clock import system_clock
from shared.runtime.notices_api import HttpNoticesApi

MAX_LISTED = 100
MAX_PENDING = 20


class Newsroom:
    """Components with their dependencies; `system` is the municipal system that publishes for the newsroom.

    `topics` maps ids to titles, `url` is the origin as browsers send it. `phone` is empty if the county's number is not
    configured, `provider_label` (the text of the login button) if there is no identity provider.
    """

    def __init__(
        self,
        database: Database,
        county: NewsroomCounty,
        system: System,
        *,
        url: str,
        proxies: tuple[Network, ...],
        phone: str,
        rules: ApprovalRules,
        templates: Mapping[str, TemplateText],
        limits: SessionLimits,
        ring: KeyRing,
        notices: HttpNoticesApi,
        provider: OidcProvider | None,
        provider_label: str,
        metrics: NewsroomMetrics,
    ) -> None:
        self.county, self.templates, self.metrics = county, templates, metrics
        self.url, self.proxies, self.phone = url, proxies, phone
        self.provider_label = provider_label if provider else ""
        self.cookies = CookieJar(is_secure=url.startswith("https:"))
        self.topics = county.topic_titles
        self.queue_counts = QueueCounts()
        self.audit = PostgresAuditLog(database)
        self.statistics = PostgresStatistics(database)
        self.sending = PostgresSendingControl(database)
        self.statuses = BroadcastStatuses(database)
        self.publications = PublicationRepository(database)
        self.broadcasts = ChangeWatch(self.statuses.find_all)
        self.handovers = ChangeWatch(self.publications.find_all_newest)
        self.newest = ChangeWatch(self._read_newest)
        self._assemble_people(database, limits, ring, provider)
        self._assemble_writing(database, system, rules, notices)

    def _assemble_people(
        self, database: Database, limits: SessionLimits, ring: KeyRing, provider: OidcProvider | None
    ) -> None:
        self.accounts = accounts = PostgresAccountRepository(database)
        self.sessions = sessions = PostgresSessionRepository(database, limits)
        self.ended = ChangeWatch(sessions.find_ended)
        hasher, count = Argon2PasswordHasher(), self.metrics.count_login
        self.login = LoginService(
            accounts=accounts, sessions=sessions, hasher=hasher, ring=ring, clock=system_clock, count=count
        )
        self.administration = AccountAdministration(
            accounts=accounts, sessions=sessions, hasher=hasher, ring=ring, clock=system_clock
        )
        self.external = ProviderLogin(provider=provider, login=self.login) if provider else None

    def _assemble_writing(
        self, database: Database, system: System, rules: ApprovalRules, notices: HttpNoticesApi
    ) -> None:
        publications, source, needed = self.publications, system.sources[0], asyncio.Event()
        self.drafts = drafts = PostgresDraftRepository(database, source)
        self.assessor = DraftAssessor(
            drafts=drafts,
            notices=notices,
            rules=rules,
            configuration=self.county,
            system=system,
            clock=system_clock,
            read_budget=self.sending.read_budget,
            read_sending=self.sending.read_limits,
            list_revisions=self.statuses.list_revisions,
            hours=self.county.permitted_hours,
        )
        self.drafting = DraftingService(assessor=self.assessor, handed_over=needed.set)
        self.trials = TrialService(assessor=self.assessor, templates=self.templates, offer=self.sending.prepare_trial)
        self.operating = OperatingService(
            control=self.sending, assessor=self.assessor, find_published=publications.find_published
        )
        self.outbox = PublicationOutbox(
            publications=publications,
            notices=notices,
            clock=system_clock,
            count=self.metrics.count_publication,
            needed=needed,
        )
        self.events = NewsroomEventHandler(database=database, source=source)
        self.survey = AudienceSurvey(
            counts=self.statistics, notices=notices, topics=[*self.topics], source=source, clock=system_clock
        )

    @property
    def is_cut_off(self) -> bool:
        """Return whether the broker does not answer, so that no event arrives."""
        return self.queue_counts.counts is None

    def build_preview(self, content: DraftContent, code: str = EXAMPLE_CODE) -> Preview:
        return build_preview(content, self.county.find_topic(content.topic), self.templates, code)

    async def read_list(self, before: datetime | None = None) -> BroadcastList:
        """Return the newest broadcasts and pending notices, or the broadcasts accepted before that moment.

        Raises DatabaseUnavailable.
        """
        broadcasts = await self.statuses.list_newest(MAX_LISTED + 1, before)
        return BroadcastList(
            pending=() if before else tuple(await self.publications.list_under_way(MAX_PENDING)),
            broadcasts=tuple(broadcasts[:MAX_LISTED]),
            has_more=len(broadcasts) > MAX_LISTED,
        )

    async def _read_newest(self, keys: Collection[str]) -> Mapping[str, BroadcastList]:
        """Return the newest broadcasts for every key; they do not depend on it."""
        return dict.fromkeys(keys, await self.read_list())
