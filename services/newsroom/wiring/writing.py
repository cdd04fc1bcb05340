"""Parts that write, send, and watch what was sent."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.newsroom.adapters.broadcasts import BroadcastStatuses, watch_broadcasts, watch_list
from services.newsroom.adapters.config_files import find_own_system, read_approval_rules, read_templates
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.adapters.event_consumer import NewsroomEventHandler
from services.newsroom.adapters.listening import PostgresListeningLog
from services.newsroom.adapters.publications import PublicationRepository, watch_publications
from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.domain.outbox import NoticePublication
from services.newsroom.domain.preview import TemplateText
from services.newsroom.domain.progress import BroadcastList, BroadcastStatus
from services.newsroom.handlers.assessing import DraftAssessor
from services.newsroom.handlers.audience_survey import AudienceSurvey
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.operating import ResendRules
from services.newsroom.handlers.publishing import PublicationOutbox
from services.newsroom.handlers.watching import ChangeWatch
from services.newsroom.ports import NoticesApi
from services.newsroom.settings import Settings
from shared.database.pool import Database
from shared.runtime.clock import system_clock


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Parts that write, send, and watch what was sent."""

    drafting: DraftingService
    drafts: PostgresDraftRepository
    publications: PublicationRepository
    outbox: PublicationOutbox
    events: NewsroomEventHandler
    broadcasts: ChangeWatch[UUID, BroadcastStatus]
    newest: ChangeWatch[str, BroadcastList]
    handovers: ChangeWatch[UUID, NoticePublication]
    survey: AudienceSurvey
    resending: ResendRules
    templates: Mapping[str, TemplateText]


def assemble_writing(
    settings: Settings,
    configuration: NewsroomCounty,
    database: Database,
    notices: NoticesApi,
    count: Callable[[str], None],
) -> Writing:
    """Return the parts with their dependencies. Raises ConfigurationError."""
    system = find_own_system(configuration, settings.newsroom_system)
    drafts, publications = PostgresDraftRepository(database, system.sources[0]), PublicationRepository(database)
    needed, statuses = asyncio.Event(), BroadcastStatuses(database)
    assessor = DraftAssessor(
        drafts=drafts,
        notices=notices,
        rules=read_approval_rules(settings.newsroom_rules_file, configuration),
        configuration=configuration,
        system=system,
        clock=system_clock,
        read_budget=PostgresSendingControl(database).read_budget,
        read_sending=PostgresSendingControl(database).read_limits,
        list_revisions=statuses.list_revisions,
    )
    resending = ResendRules(
        rules=assessor.rules, configuration=configuration, drafts=drafts, find_published=publications.find_published
    )
    return Writing(
        resending=resending,
        drafting=DraftingService(drafts=drafts, assessor=assessor, clock=system_clock, handed_over=needed.set),
        drafts=drafts,
        publications=publications,
        outbox=PublicationOutbox(
            publications=publications, notices=notices, clock=system_clock, count=count, needed=needed
        ),
        events=NewsroomEventHandler(database=database, source=system.sources[0]),
        broadcasts=watch_broadcasts(statuses),
        newest=watch_list(statuses, publications),
        handovers=watch_publications(publications),
        survey=AudienceSurvey(
            counts=PostgresListeningLog(database),
            notices=notices,
            topics=[topic.id for topic in configuration.topics],
            source=system.sources[0],
            clock=system_clock,
        ),
        templates=read_templates(settings.templates_file),
    )
