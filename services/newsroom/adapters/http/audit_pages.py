"""Page of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import WebPage
from services.newsroom.domain.accounts import Right
from services.newsroom.ports import AuditLog

PAGE_LENGTH = 50
ACTION_NAMES: Mapping[str, str] = {
    "account.created": "Konto angelegt",
    "account.disabled": "Konto gesperrt",
    "account.enable": "Konto entsperrt",
    "account.invite": "Konto angelegt",
    "account.password_changed": "Kennwort geändert",
    "account.reset": "Anmeldung zurückgesetzt",
    "account.roles": "Rollen geändert",
    "account.set_up": "Anmeldung eingerichtet",
    "account_request.confirmed": "Antrag bestätigt",
    "account_request.made": "Antrag gestellt",
    "account_request.refused": "Antrag abgelehnt",
    "session.all_closed": "Sitzungen beendet",
    "session.closed": "abgemeldet",
    "session.opened": "angemeldet",
    "session.others_closed": "andere Sitzungen beendet",
}


@dataclass(frozen=True, kw_only=True)
class AuditPages:
    """Page of the audit log, newest first."""

    log: AuditLog

    def list_pages(self) -> tuple[WebPage, ...]:
        return (
            WebPage(
                method="GET", path="/protokoll", handler=self.show_log, audience=Right.READ_AUDIT, title="Protokoll"
            ),
        )

    async def show_log(self, request: web.Request) -> web.Response:
        before = request.query.get("vor", "")
        is_number = before.isascii() and before.isdecimal() and len(before) < 19
        entries = await self.log.list_entries(int(before) if is_number else None, PAGE_LENGTH + 1)
        return render_page(
            request,
            "audit.html",
            entries=entries[:PAGE_LENGTH],
            has_more=len(entries) > PAGE_LENGTH,
            action_names=ACTION_NAMES,
        )
