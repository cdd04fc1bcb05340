"""The kinds of process, each with its settings, its broker login and its database role."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_settings import BaseSettings

from cli.migrate.settings import Settings as Admin
from cli.publish.settings import Settings as Publisher
from services.dispatcher.settings import Settings as Dispatcher
from services.ingress.notices.settings import Settings as Notices
from services.ingress.settings import Settings as Ingress
from services.newsroom.settings import Settings as Newsroom
from services.subscriptions.settings import Settings as Subscriptions


@dataclass(frozen=True, kw_only=True)
class ProcessKind:
    """A kind of process; `role` None: it has no access to the database."""

    settings: type[BaseSettings]
    login: str
    role: str | None = None


PROCESS_KINDS: Mapping[str, ProcessKind] = {
    "ingress": ProcessKind(settings=Ingress, login="ingress"),
    "notices": ProcessKind(settings=Notices, login="notices"),
    "subscriptions": ProcessKind(settings=Subscriptions, login="subscriptions", role="kreisfunk_subscriptions"),
    "dispatcher": ProcessKind(settings=Dispatcher, login="dispatcher", role="kreisfunk_dispatcher"),
    "newsroom": ProcessKind(settings=Newsroom, login="newsroom", role="kreisfunk_newsroom"),
    "pressestelle": ProcessKind(settings=Publisher, login="pressestelle"),
    "admin": ProcessKind(settings=Admin, login="kreisfunk_admin", role="kreisfunk_owner"),
}
