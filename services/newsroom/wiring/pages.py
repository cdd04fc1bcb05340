"""Pages of the newsroom with what they need, in the order of the navigation."""

from aiohttp import web

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.audit import PostgresAuditLog
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.listening import PostgresFeedbackLog
from services.newsroom.domain.accounts import Right
from services.newsroom.handlers.account_admin import AccountAdministration
from services.newsroom.handlers.login import LoginService
from services.newsroom.handlers.operating import OperatingService
from services.newsroom.handlers.provider_login import ProviderLogin
from services.newsroom.handlers.trials import TrialService
from services.newsroom.http.account_pages import AccountPages
from services.newsroom.http.audit_pages import AuditPages
from services.newsroom.http.broadcast_pages import BroadcastPages
from services.newsroom.http.draft_pages import DraftPages
from services.newsroom.http.error_pages import METRICS, SECURITY_HEADERS, convert_draft_errors, convert_errors
from services.newsroom.http.feedback_pages import FeedbackPages, OverviewPages
from services.newsroom.http.guard import MAX_BODY_BYTES, CookieJar, PageGuard
from services.newsroom.http.listening_pages import ListeningPages
from services.newsroom.http.login_pages import LoginPages
from services.newsroom.http.operating_pages import OperatingPages
from services.newsroom.http.provider_pages import ProviderPages
from services.newsroom.http.rendering import RENDERER, PageRenderer
from services.newsroom.http.sending_pages import SendingPages
from services.newsroom.http.web_pages import TOPICS, PageGroup
from services.newsroom.wiring.parts import Newsroom
from shared.runtime.clock import system_clock
from shared.runtime.http_port import add_response_headers


def build_newsroom_app(newsroom: Newsroom) -> web.Application:
    """Return the application with all pages."""
    url = newsroom.settings.newsroom_url
    cookies = CookieJar(is_secure=url.startswith("https:"))
    guard = PageGuard(sessions=newsroom.sessions, cookies=cookies, origin=url)
    groups = (
        *_build_writing_pages(newsroom),
        *_build_sending_pages(newsroom),
        *_build_people_pages(newsroom, cookies),
    )
    pages = [page for group in groups for page in group.list_pages()]
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[convert_errors, convert_draft_errors])
    app[TOPICS], app[METRICS] = newsroom.topics, newsroom.metrics
    app[RENDERER] = PageRenderer(newsroom.static, pages, newsroom.topics)
    add_response_headers(app, SECURITY_HEADERS)
    for page in pages:
        app.router.add_route(page.method, page.path, guard.protect(page))
    newsroom.static.add_routes(app)
    return app


def _build_writing_pages(newsroom: Newsroom) -> list[PageGroup]:
    drafting = newsroom.drafting
    trials = TrialService(
        assessor=drafting.assessor,
        templates=newsroom.templates,
        offer=newsroom.sending.prepare_trial,
    )
    return [
        OverviewPages(
            drafts=drafting.drafts,
            publications=newsroom.publications,
            statuses=newsroom.statuses,
            feedback=PostgresFeedbackLog(newsroom.database),
            reviewing=Right.APPROVE if drafting.assessor.rules.lead_euros is None else Right.COUNTERSIGN,
            read_sending=newsroom.sending.read_limits,
            list_requests=PostgresAccountRepository(newsroom.database).list_open_requests,
        ),
        DraftPages(
            drafting=drafting,
            publications=newsroom.publications,
            statuses=newsroom.statuses,
            watch=newsroom.handovers,
            sessions=newsroom.watch,
            templates=newsroom.templates,
        ),
        SendingPages(
            drafting=drafting,
            publications=newsroom.publications,
            statuses=newsroom.statuses,
            trials=trials,
            templates=newsroom.templates,
            phone=newsroom.settings.archive_phone,
        ),
    ]


def _build_sending_pages(newsroom: Newsroom) -> list[PageGroup]:
    feedback, topics = PostgresFeedbackLog(newsroom.database), newsroom.county.topics
    return [
        BroadcastPages(
            statuses=newsroom.statuses,
            publications=newsroom.publications,
            drafting=newsroom.drafting,
            feedback=feedback,
            listening=newsroom.listening,
            watch=newsroom.broadcasts,
            list_watch=newsroom.newest,
            sessions=newsroom.watch,
            resending=newsroom.resending,
            county=newsroom.county,
            templates=newsroom.templates,
            read_sending=newsroom.sending.read_limits,
        ),
        FeedbackPages(feedback=feedback),
        ListeningPages(log=newsroom.listening),
        OperatingPages(
            operating=OperatingService(control=newsroom.sending, resending=newsroom.resending),
            stranded=newsroom.stranded,
            statuses=newsroom.statuses,
            systems=newsroom.county.systems,
            templates=[f"{name}/{topic.language}" for topic in topics for name in topic.list_templates()],
        ),
    ]


def _build_people_pages(newsroom: Newsroom, cookies: CookieJar) -> list[PageGroup]:
    settings, database, sessions = newsroom.settings, newsroom.database, newsroom.sessions
    accounts, hasher = PostgresAccountRepository(database), Argon2PasswordHasher()
    login = LoginService(
        accounts=accounts,
        sessions=sessions,
        hasher=hasher,
        ring=settings.ring,
        clock=system_clock,
        count=newsroom.metrics.count_login,
    )
    administration = AccountAdministration(
        accounts=accounts,
        sessions=sessions,
        hasher=hasher,
        ring=settings.ring,
        clock=system_clock,
    )
    external = ProviderLogin(provider=newsroom.provider, login=login) if newsroom.provider else None
    label = settings.oidc_label if external else ""
    return [
        LoginPages(login=login, cookies=cookies, proxies=settings.proxy_networks, provider=label),
        ProviderPages(external=external, cookies=cookies),
        AccountPages(administration=administration),
        AuditPages(log=PostgresAuditLog(database)),
    ]
