"""Pages about people, assembled: logins, accounts, and the audit log."""

from collections.abc import Callable

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.audit import PostgresAuditLog
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.http.account_pages import AccountPages
from services.newsroom.adapters.http.audit_pages import AuditPages
from services.newsroom.adapters.http.guard import CookieJar
from services.newsroom.adapters.http.login_pages import LoginPages
from services.newsroom.adapters.http.provider_pages import ProviderPages
from services.newsroom.adapters.http.web_pages import PageGroup
from services.newsroom.handlers.account_admin import AccountAdministration
from services.newsroom.handlers.login import LoginService
from services.newsroom.handlers.provider_login import ProviderLogin
from services.newsroom.ports import IdentityProvider, SessionRepository
from shared.database.pool import Database
from shared.encryption import KeyRing
from shared.runtime.client_address import Network
from shared.runtime.clock import system_clock


def build_people_pages(
    database: Database,
    sessions: SessionRepository,
    ring: KeyRing,
    cookies: CookieJar,
    *,
    proxies: tuple[Network, ...],
    provider: IdentityProvider | None,
    provider_label: str,
    count_login: Callable[[str], None],
) -> list[PageGroup]:
    """Return the pages, in the order of the navigation; `provider_label` is on the identity provider's button."""
    accounts, hasher = PostgresAccountRepository(database), Argon2PasswordHasher()
    login = LoginService(
        accounts=accounts,
        sessions=sessions,
        hasher=hasher,
        ring=ring,
        clock=system_clock,
        count=count_login,
    )
    administration = AccountAdministration(
        accounts=accounts,
        sessions=sessions,
        hasher=hasher,
        ring=ring,
        clock=system_clock,
    )
    external = ProviderLogin(provider=provider, login=login) if provider else None
    label = provider_label if external else ""
    return [
        LoginPages(login=login, cookies=cookies, proxies=proxies, provider=label),
        ProviderPages(external=external, accounts=accounts, cookies=cookies),
        AccountPages(administration=administration),
        AuditPages(log=PostgresAuditLog(database)),
    ]
