"""Parts of the newsroom that its pages and its work share."""

import asyncio

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.config_files import find_own_system, read_approval_rules, read_templates
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.adapters.event_consumer import NewsroomEventHandler
from services.newsroom.adapters.identity_provider import OidcProvider
from services.newsroom.adapters.listening import PostgresListeningLog
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.adapters.notices_api import HttpNoticesApi
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.adapters.queue_counts import StrandedCounts
from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.handlers.assessing import DraftAssessor
from services.newsroom.handlers.audience_survey import AudienceSurvey
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.operating import ResendRules
from services.newsroom.handlers.publishing import PublicationOutbox
from services.newsroom.handlers.watching import ChangeWatch, SessionWatch, watch_list
from services.newsroom.http.documents import StaticFiles
from services.newsroom.settings import Settings
from shared.database.pool import Database
from shared.runtime.clock import system_clock


class Newsroom:
    """Parts with their dependencies; `topics` are titles by id."""

    def __init__(
        self,
        settings: Settings,
        county: NewsroomCounty,
        database: Database,
        metrics: NewsroomMetrics,
        *,
        notices: HttpNoticesApi,
        provider: OidcProvider | None,
    ) -> None:
        """Assemble the parts. Raises ConfigurationError."""
        self.settings, self.county, self.database, self.metrics = settings, county, database, metrics
        self.provider = provider
        self.topics = {topic.id: topic.title for topic in county.topics}
        self.templates = read_templates(settings.templates_file)
        self.static = StaticFiles(settings.newsroom_assets)
        self.stranded = StrandedCounts()
        self.sessions = PostgresSessionRepository(database, settings.session_limits)
        self.watch = SessionWatch(self.sessions)
        self.sending = PostgresSendingControl(database)
        self.listening = PostgresListeningLog(database)
        self.statuses = BroadcastStatuses(database)
        self.publications = PublicationRepository(database)
        self.broadcasts = ChangeWatch(self.statuses.find_all)
        self.newest = watch_list(self.statuses, self.publications)
        self.handovers = ChangeWatch(self.publications.find_all_newest)
        self._assemble_writing(notices)

    def _assemble_writing(self, notices: HttpNoticesApi) -> None:
        """Assemble what writes and sends, as the newsroom's own system."""
        county, publications, needed = self.county, self.publications, asyncio.Event()
        system = find_own_system(county, self.settings.newsroom_system)
        source = system.sources[0]
        drafts = PostgresDraftRepository(self.database, source)
        assessor = DraftAssessor(
            drafts=drafts,
            notices=notices,
            rules=read_approval_rules(self.settings.newsroom_rules_file, county),
            configuration=county,
            system=system,
            clock=system_clock,
            read_budget=self.sending.read_budget,
            read_sending=self.sending.read_limits,
            list_revisions=self.statuses.list_revisions,
        )
        count = self.metrics.count_publication
        self.drafting = DraftingService(drafts=drafts, assessor=assessor, clock=system_clock, handed_over=needed.set)
        self.resending = ResendRules(
            rules=assessor.rules, configuration=county, drafts=drafts, find_published=publications.find_published
        )
        self.outbox = PublicationOutbox(
            publications=publications, notices=notices, clock=system_clock, count=count, needed=needed
        )
        self.events = NewsroomEventHandler(database=self.database, source=source)
        self.survey = AudienceSurvey(
            counts=self.listening, notices=notices, topics=[*self.topics], source=source, clock=system_clock
        )
