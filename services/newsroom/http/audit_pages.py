"""Page of the audit log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from aiohttp import web

from services.newsroom.domain.accounts import Right
from services.newsroom.domain.audit import AuditEntry, merge_saves
from services.newsroom.domain.login import LoginProof
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import CHANGE_NAMES, ROLE_NAMES, render_page
from services.newsroom.http.web_pages import WebPage

PAGE_LENGTH = 50
MAX_READ = 1_000
ACTION_NAMES: Mapping[str, str] = {
    "account.connected": "Konto des Landkreises verbunden",
    "account.created": "Konto angelegt",
    "account.disabled": "Konto gesperrt",
    "account.enable": "Konto entsperrt",
    "account.invite": "Konto angelegt",
    "account.password_changed": "Kennwort geändert",
    "account.recovery_codes_replaced": "Wiederherstellungscodes erneuert",
    "account.reset": "Anmeldung zurückgesetzt",
    "account.roles": "Rollen geändert",
    "account.set_up": "Anmeldung eingerichtet",
    "account_request.confirmed": "Antrag bestätigt",
    "account_request.made": "Antrag gestellt",
    "account_request.refused": "Antrag abgelehnt",
    "broadcast.cancelled": "Aussendung beendet",
    "broadcast.paused": "Aussendung angehalten",
    "broadcast.resent": "Meldung an die Fehlenden gesendet",
    "broadcast.resumed": "Aussendung fortgesetzt",
    "draft.approved": "Entwurf freigegeben",
    "draft.created": "Entwurf begonnen",
    "draft.discarded": "Entwurf verworfen",
    "draft.published": "Meldung veröffentlicht",
    "draft.published_in_emergency": "Meldung im Notfall veröffentlicht",
    "draft.returned": "Entwurf zurückgegeben",
    "draft.reviewed": "Meldung nachträglich geprüft",
    "draft.saved": "Entwurf gespeichert",
    "draft.submitted": "Entwurf zur Freigabe gegeben",
    "draft.tried": "Testnachricht vorbereitet",
    "draft.withdrawn": "Meldung zurückgezogen",
    "letters.replayed": "Mitteilungen noch einmal verarbeitet",
    "notice.rejected": "Meldung vom Dienst abgelehnt",
    "sending.paused": "gesamten Versand angehalten",
    "sending.resumed": "Versand fortgesetzt",
    "session.all_closed": "Sitzungen beendet",
    "session.closed": "abgemeldet",
    "session.opened": "angemeldet",
    "session.others_closed": "andere Sitzungen beendet",
    "template.resumed": "Vorlage freigegeben",
}
DETAIL_NAMES: Mapping[str, str] = {
    "change": "Änderung",
    "people": "Personen",
    "proof": "Nachweis",
    "reason": "Grund",
    "request": "Antrag",
    "roles": "Rollen",
    "version": "Stand",
}
_VALUE_NAMES: Mapping[str, Mapping[str, str]] = {
    "change": {change.value: name for change, name in CHANGE_NAMES.items()},
    "proof": {
        LoginProof.FIRST_PASSWORD: "erstes Kennwort",
        LoginProof.ONE_TIME_CODE: "Einmalcode",
        LoginProof.RECOVERY_CODE: "Wiederherstellungscode",
        LoginProof.IDENTITY_PROVIDER: "Anmeldedienst des Landkreises",
    },
    "roles": {role.value: name for role, name in ROLE_NAMES.items()},
}


async def show_log(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Show the newest acts, or those before an act; a page covers at most MAX_READ acts."""
    before = request.query.get("vor", "")
    is_number = before.isascii() and before.isdecimal() and len(before) < 19
    entries = await newsroom.audit.list_entries(int(before) if is_number else None, MAX_READ + 1)
    rows, count = merge_saves(entries[:MAX_READ], PAGE_LENGTH)
    return render_page(
        request,
        "audit.html",
        is_older=is_number,
        entries=rows,
        oldest=entries[count - 1].id if count < len(entries) else None,
        links=await _find_links(newsroom, rows),
        action_names=ACTION_NAMES,
        describe=describe_detail,
    )


async def _find_links(newsroom: Newsroom, rows: Sequence[AuditEntry]) -> Mapping[str, tuple[str, str]]:
    drafts = await newsroom.audit.find_drafts(_parse_ids(row.draft for row in rows))
    broadcasts = await newsroom.audit.find_broadcasts(_parse_ids(row.object for row in rows))
    return {
        **{str(uuid): (f"/aussendungen/{uuid}", name or "Aussendung") for uuid, name in broadcasts.items()},
        **{str(uuid): (f"/entwuerfe/{uuid}", name or "Ohne Überschrift") for uuid, name in drafts.items()},
    }


def describe_detail(detail: Mapping[str, str]) -> str:
    """Describe the details of an act in German, without its draft, to which the row links."""
    details = ((name, value) for name, value in detail.items() if value and name != "draft")
    labelled = ((DETAIL_NAMES.get(name, name), _name_value(name, value)) for name, value in details)
    return "; ".join(f"{name}: {value}" for name, value in labelled)


def _parse_ids(texts: Iterable[str]) -> Iterator[UUID]:
    for text in texts:
        with suppress(ValueError):
            yield UUID(text)


def _name_value(name: str, value: str) -> str:
    names = _VALUE_NAMES.get(name)
    return ", ".join(names.get(part, part) for part in value.split(", ")) if names else value


PAGES = (WebPage("GET", "/protokoll", show_log, Right.READ_AUDIT, title="Protokoll"),)
